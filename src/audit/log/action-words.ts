/**
 * The words that older systems have for what was done, as patterns of our actions; `*` stands for anything. What is listed under no word
 * is found by its own name. docs/audit-search.md shows this table.
 */
export const actionWords: Record<string, readonly string[]> = {
  CREATE: ['*.created', '*.issued', '*.added', '*_added', '*.linked', '*.placed'],
  READ: ['*.read', '*.viewed', 'agent.queried'],
  BULK_READ: ['audit.read', 'audit.stream_started', '*.listed', '*.exported'],
  UPDATE: [
    '*.updated',
    '*.changed',
    '*_changed',
    '*.activated',
    '*.deactivated',
    '*.reset',
    '*.reverted',
    '*.archived',
    '*.rotated',
    '*.replaced',
    '*.unlocked',
    '*.acknowledged',
    '*.noted',
    '*.resolved',
    '*.suppressed',
    '*.synchronized',
    '*.retried',
    '*_assigned',
  ],
  DELETE: ['*.deleted', '*.released', '*.revoked', '*.removed', '*_removed', '*.anonymised', '*.unlinked', '*.purged', '*.lifted'],
  LOGIN: ['login.succeeded', 'login.failed'],
  LOGOUT: ['session.ended'],
  AUTHENTICATE: ['login.*', 'session.*'],
  AUTHORIZE: ['request.denied', '*.role_assigned', '*.role_removed', '*.roles_changed'],
  APPROVE: ['*.approved'],
  REJECT: ['*.rejected', '*.declined'],
  DOWNLOAD: ['*.exported', '*.export_started', '*.report_started', '*.downloaded', 'key.collected'],
  UPLOAD: ['import.*', '*.uploaded'],
  AGENT_EXECUTION: ['agent.*'],
  ERROR: ['*.failed', 'audit.unreadable'],
};

/** The patterns that a word or a pattern stands for; undefined for the name of one action. */
export function patternsOf(action: string): readonly string[] | undefined {
  if (Object.hasOwn(actionWords, action)) return actionWords[action];
  return action.includes('*') ? [action] : undefined;
}

/** As LIKE understands it. */
export function likeOf(pattern: string): string {
  return pattern.replaceAll(/[\\%_]/g, String.raw`\$&`).replaceAll('*', '%');
}

/** Whether an action is meant by one of the patterns. */
export function isAmong(action: string, patterns: readonly string[]): boolean {
  return patterns.some((pattern) => {
    const parts = pattern.split('*').map((part) => part.replaceAll(/[.*+?^${}()|[\]\\]/g, String.raw`\$&`));
    return new RegExp(`^${parts.join('.*')}$`).test(action);
  });
}
