export const alertStates = ['open', 'acknowledged', 'resolved', 'suppressed'] as const;
export type AlertState = (typeof alertStates)[number];

/** From which state an alert goes where. Somebody has looked at it before it is closed, one way or the other. */
export const alertSteps: Record<AlertState, readonly AlertState[]> = {
  open: ['acknowledged'],
  acknowledged: ['resolved', 'suppressed'],
  resolved: [],
  suppressed: [],
};
