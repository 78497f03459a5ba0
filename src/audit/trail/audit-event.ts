/** The logs; the numbers are rows of audit_heads. How long each is kept, retention policies say. */
export const auditClasses = { meta: 0, access: 1, reads: 2, ipam: 3, governance: 7, critical: 9 } as const;
export type AuditClass = keyof typeof auditClasses;

export const auditCategories = ['meta', 'access', 'reads', 'ipam', 'governance'] as const;
export type AuditCategory = (typeof auditCategories)[number];
export const auditSeverities = ['info', 'low', 'medium', 'high', 'critical'] as const;
export type AuditSeverity = (typeof auditSeverities)[number];
/** `unknown`: of an attempt whose result is another event. */
export const auditOutcomes = ['success', 'failure', 'denied', 'unknown'] as const;
export type AuditOutcome = (typeof auditOutcomes)[number];

/** What a module says happened. Who, from where and in which request is taken from the context, never from the caller. */
export interface AuditEvent {
  /** Past tense: `pool.created`. */
  action: string;
  category: AuditCategory;
  resource?: { type: string; id: string; name?: string };
  /** The row as it was and as it is; fields that differ are recorded as changes. Only `after`: created. Only `before`: gone. */
  before?: object;
  after?: object;
  outcome?: AuditOutcome;
  severity?: AuditSeverity;
  /** Figures and reasons that belong to the act rather than to the resource. */
  detail?: Record<string, unknown>;
  flags?: readonly string[];
  /** The account of the person whom it is about, where the resource is not an account: what is personal is encrypted under that person's key. */
  subject?: string;
  /** For acts before there is a principal, such as a login. */
  actor?: { kind: string; id: string; name: string };
}

/** Which log keeps an event: that of its category, unless it is so grave that it is kept for good. */
export function classOf({ category, severity }: Pick<AuditEvent, 'category' | 'severity'>): number {
  return auditClasses[category !== 'meta' && severity === 'critical' ? 'critical' : category];
}
