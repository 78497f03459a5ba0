/** What a running server says of itself in `postmaster.pid` (PostgreSQL, src/include/utils/pidfile.h). */
export interface PostmasterPid {
  pid: number;
  port: number;
  ready: boolean;
}

/** Undefined for a file that is empty or cut short, as one written on a full disk is. */
export function parsePostmasterPid(text: string): PostmasterPid | undefined {
  const lines = text.split('\n');
  const pid = Number(lines[0]);
  if (!Number.isInteger(pid) || pid <= 0) return undefined;
  return { pid, port: Number(lines[3]) || 0, ready: lines[7]?.trim() === 'ready' };
}

/** `ours`: the postmaster of this cluster. `foreign`: the number now belongs to another program. */
export type PostmasterState = 'none' | 'dead' | 'foreign' | 'ours';

/** The Node process that last claimed the folder. A live one never gets this far. */
export type PreviousOwner = 'none' | 'dead';

/**
 * - `start`: PostgreSQL itself clears what a crash left, after checking that no orphaned backend still holds its memory.
 * - `remove-pid-file`: it would refuse for ever, since some process answers to the recorded number.
 * - `stop-orphan`: our server outlived a Node process that was killed.
 * - `refuse`: somebody else started it, and may be using it.
 */
export type Verdict = 'start' | 'remove-pid-file' | 'stop-orphan' | 'refuse';

export const verdicts = {
  none: { none: 'start', dead: 'start' },
  dead: { none: 'start', dead: 'start' },
  foreign: { none: 'remove-pid-file', dead: 'remove-pid-file' },
  ours: { none: 'refuse', dead: 'stop-orphan' },
} as const satisfies Record<PostmasterState, Record<PreviousOwner, Verdict>>;
