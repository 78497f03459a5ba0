import { type AuditOutcome, type AuditSeverity } from '../trail/audit-event.js';

/**
 * What is counted together: by who acted, from where, at whose account, or what it was about. What the trail says of itself is all about one
 * thing, the trail, and counts whoever found it out: most often that is the program.
 */
export const subjectKinds = ['actor', 'client', 'account', 'resource', 'trail'] as const;
export type SubjectKind = (typeof subjectKinds)[number];

export interface DetectionRule {
  text: string;
  /** Patterns of the actions that count. */
  actions: readonly string[];
  /** Of those, what had this outcome. */
  outcome?: AuditOutcome;
  subject: SubjectKind;
  /** As installed; an administrator may set them otherwise. */
  threshold: number;
  windowSeconds: number;
  cooldownSeconds: number;
  severity: AuditSeverity;
}

const MINUTE = 60;
const HOUR = 3600;

/** What is noticed: so many events of one subject within so long. docs/audit-search.md shows this table. */
export const detectionRules = {
  failed_logins: {
    text: 'Failed logins at one account or with one unknown name.',
    actions: ['login.failed'],
    subject: 'account',
    threshold: 10,
    windowSeconds: 10 * MINUTE,
    cooldownSeconds: HOUR,
    severity: 'medium',
  },
  failed_logins_of_address: {
    text: 'Failed logins from one address, whatever the names.',
    actions: ['login.failed'],
    subject: 'client',
    threshold: 50,
    windowSeconds: 10 * MINUTE,
    cooldownSeconds: HOUR,
    severity: 'high',
  },
  denials: {
    text: 'Requests of one actor that were denied.',
    actions: ['request.denied'],
    subject: 'actor',
    threshold: 5,
    windowSeconds: 5 * MINUTE,
    cooldownSeconds: HOUR,
    severity: 'medium',
  },
  mass_deletion: {
    text: 'Deletions, releases and revocations by one actor.',
    actions: ['*.deleted', '*.released', '*.revoked', '*.removed', '*_removed'],
    subject: 'actor',
    threshold: 50,
    windowSeconds: 10 * MINUTE,
    cooldownSeconds: HOUR,
    severity: 'high',
  },
  trail_exported: {
    text: 'The trail was exported.',
    actions: ['audit.exported'],
    subject: 'actor',
    threshold: 1,
    windowSeconds: 10 * MINUTE,
    cooldownSeconds: HOUR,
    severity: 'medium',
  },
  trail_read: {
    text: 'One actor reads the trail like a machine.',
    actions: ['audit.read'],
    subject: 'actor',
    threshold: 500,
    windowSeconds: HOUR,
    cooldownSeconds: 4 * HOUR,
    severity: 'low',
  },
  rights_changed: {
    text: 'Roles and their holders changed by one actor.',
    actions: [
      'role.created',
      'role.updated',
      'role.deleted',
      'user.roles_changed',
      'user.role_assigned',
      'user.role_removed',
      'group.member_added',
    ],
    subject: 'actor',
    threshold: 20,
    windowSeconds: HOUR,
    cooldownSeconds: 4 * HOUR,
    severity: 'medium',
  },
  second_factors_removed: {
    text: 'Second factors taken away by one actor.',
    actions: ['user.second_factors_removed', 'second_factor.removed'],
    subject: 'actor',
    threshold: 3,
    windowSeconds: HOUR,
    cooldownSeconds: 4 * HOUR,
    severity: 'high',
  },
  keys_made: {
    text: 'Keys and derived tokens made by one actor.',
    actions: ['key.created', 'tenant_token.issued'],
    subject: 'actor',
    threshold: 100,
    windowSeconds: HOUR,
    cooldownSeconds: 4 * HOUR,
    severity: 'medium',
  },
  session_stolen: {
    text: 'A refresh token of one actor was used twice: somebody has a copy.',
    actions: ['session.refresh_reused'],
    subject: 'actor',
    threshold: 1,
    windowSeconds: 10 * MINUTE,
    cooldownSeconds: HOUR,
    severity: 'high',
  },
  archive_failed: {
    text: 'A month of the trail could not be archived, or a whole run failed.',
    actions: ['audit.archive_failed'],
    subject: 'trail',
    threshold: 1,
    windowSeconds: HOUR,
    cooldownSeconds: 4 * HOUR,
    severity: 'high',
  },
  archive_broken: {
    text: 'An archive of the trail is missing or is not what was archived.',
    actions: ['audit.archive_broken'],
    subject: 'trail',
    threshold: 1,
    windowSeconds: HOUR,
    cooldownSeconds: 4 * HOUR,
    severity: 'critical',
  },
  verification_failed: {
    text: 'A verification found that the trail was tampered with or is incomplete.',
    actions: ['audit.verified'],
    outcome: 'failure',
    subject: 'trail',
    threshold: 1,
    windowSeconds: HOUR,
    cooldownSeconds: 4 * HOUR,
    severity: 'critical',
  },
  quarantined: {
    text: 'Events were altered or forged before they were sealed.',
    actions: ['audit.quarantined'],
    subject: 'trail',
    threshold: 1,
    windowSeconds: HOUR,
    cooldownSeconds: 4 * HOUR,
    severity: 'critical',
  },
  reads_lost: {
    text: 'Reads were answered whose events are lost.',
    actions: ['audit.reads_lost'],
    subject: 'trail',
    threshold: 1,
    windowSeconds: HOUR,
    cooldownSeconds: 4 * HOUR,
    severity: 'high',
  },
  anchor_lag: {
    text: 'An anchor does not get the checkpoints that are signed.',
    actions: ['audit.anchor_lagged'],
    subject: 'resource',
    threshold: 1,
    windowSeconds: HOUR,
    cooldownSeconds: 4 * HOUR,
    severity: 'high',
  },
} as const satisfies Record<string, DetectionRule>;

export type DetectionRuleName = keyof typeof detectionRules;
export const detectionRuleNames = Object.keys(detectionRules) as DetectionRuleName[];

/** As SQL over the view audit_events. An unknown name is told by its digest, which is all that the trail has of it. */
export const subjectColumns: Record<SubjectKind, string> = {
  // The program itself deletes what has expired.
  actor: `nullif(e.actor_id, 'system')`,
  client: 'host(e.client_ip)',
  account: `coalesce(nullif(e.resource_id, 'unknown'), audit_readable(e.payload) #>> '{detail,usernameDigest}')`,
  resource: 'e.resource_id',
  trail: `'audit_log'`,
};
