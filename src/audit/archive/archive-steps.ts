/** What happens to a month of a log, in order; the database refuses any other way (audit_archive_step). */
export const archiveStates = [
  'closed',
  'exporting',
  'uploaded',
  'verified',
  'detaching',
  'detached',
  'dropped',
  'purging',
  'purged',
] as const;
export type ArchiveState = (typeof archiveStates)[number];

/** What a run may do with a month. */
export const archiveActions = ['archive', 'remove', 'drop', 'purge', 'none'] as const;
export type ArchiveAction = (typeof archiveActions)[number];

interface Step {
  to: ArchiveState;
  /** What has to be allowed for it. */
  by: Exclude<ArchiveAction, 'none'>;
}

/** The next step of a month, by the way it goes: archived, or removed without an archive. */
export const nextSteps: Record<'archived' | 'removed', Partial<Record<ArchiveState, Step>>> = {
  archived: {
    closed: { to: 'exporting', by: 'archive' },
    exporting: { to: 'uploaded', by: 'archive' },
    uploaded: { to: 'verified', by: 'archive' },
    verified: { to: 'detaching', by: 'archive' },
    detaching: { to: 'detached', by: 'archive' },
    detached: { to: 'dropped', by: 'drop' },
    dropped: { to: 'purging', by: 'purge' },
    purging: { to: 'purged', by: 'purge' },
  },
  removed: {
    closed: { to: 'detaching', by: 'remove' },
    detaching: { to: 'detached', by: 'remove' },
    detached: { to: 'dropped', by: 'drop' },
  },
};
