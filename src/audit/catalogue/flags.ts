import { isAmong } from '../log/action-words.js';

const READS = [
  '*.read',
  '*.listed',
  '*.exported',
  '*.export_started',
  'audit.report_started',
  'audit.stream_started',
  'audit.proof_read',
  'audit.evidence_taken',
] as const;
const RIGHTS = [
  'user.role*',
  'role.*',
  'roles.*',
  'role_assignment.*',
  'group.member_*',
  'user.approved',
  '*.approved',
  '*.rejected',
] as const;
const CREDENTIALS = [
  'login.*',
  'session.*',
  'login_session.*',
  'user.password*',
  'user.unlocked',
  '*second_factor*.*',
  'user.second_factors_removed',
  'recovery_codes.*',
  'key.*',
  'key_usage.*',
  'tenant_token.*',
  'identity.*',
  'identity_provider.*',
] as const;

/** Which rules a kind of act is kept for; docs/audit-events.md shows what follows for each action. */
export const complianceFlags: Record<string, { why: string; actions: readonly string[] }> = {
  gdpr: {
    why: 'personal data: who is known here, and what of them was seen or changed',
    actions: [
      'user.*',
      'invitation.*',
      'identity.*',
      'group.member_*',
      'group_membership.*',
      'role_assignment.*',
      'login.*',
      'session.*',
      'login_session.*',
      'work_session.*',
      'work_session_entry.*',
      'second_factor.*',
      'project.members_changed',
      'ldif.*',
      'search_result.*',
      'audit.read',
      'audit.exported',
      'audit.export_started',
      'audit.report_started',
      'audit.stream_started',
    ],
  },
  sox: {
    why: 'rights, approvals and settings, and the record of them',
    actions: [...RIGHTS, 'setting.*', 'setting_version.*', 'detection_rule.*', 'request.denied', 'audit.*'],
  },
  hipaa: {
    why: 'access to what is classified (45 CFR 164.312(b)), and attempts at it',
    actions: [...READS, 'login.*', 'request.denied'],
  },
  pci: {
    why: 'authentication, rights and access to the trail (PCI DSS 4.0, 10.2.1)',
    actions: [
      ...CREDENTIALS,
      ...RIGHTS,
      'user.created',
      'user.deleted',
      'user.activated',
      'user.deactivated',
      'request.denied',
      'audit.*',
      'security.*',
      'security_event.*',
    ],
  },
};

const known = new Map<string, readonly string[]>();

/** The flags of an action, sorted; looked up once. */
export function flagsOf(action: string): readonly string[] {
  let flags = known.get(action);
  if (!flags) {
    flags = Object.keys(complianceFlags).filter((flag) => isAmong(action, complianceFlags[flag]?.actions ?? []));
    known.set(action, flags);
  }
  return flags;
}
