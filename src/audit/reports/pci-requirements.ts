import { isAmong } from '../log/action-words.js';

interface Requirement {
  /** What has to be logged, in short. */
  text: string;
  /** The actions that show it. */
  actions: readonly string[];
  /** Of those, what does not show it: reading a thing is no change of it. */
  except?: readonly string[];
  /** What of it the trail does not have. */
  notRecorded?: string;
}

/** PCI DSS 4.0, 10.2.1, as our actions. docs/audit-search.md shows this table. */
export const pciRequirements: Record<string, Requirement> = {
  '10.2.1.1': {
    text: 'individual access to cardholder data',
    actions: ['agent.*'],
    notRecorded: 'no cardholder data is kept here; reading the address space is recorded only while the setting audit.reads.network is on',
  },
  '10.2.1.2': {
    text: 'actions with administrative access',
    actions: [
      'user.*',
      'role.*',
      'roles.*',
      'group.*',
      'setting.*',
      'identity_provider.*',
      'project.*',
      'job.*',
      'detection_rule.*',
      'alert.*',
      'security_event.*',
    ],
    notRecorded: 'what is done to the database or the machine past this program',
  },
  '10.2.1.3': { text: 'access to audit logs', actions: ['audit.*'], notRecorded: 'reading the tables past this program' },
  '10.2.1.4': {
    text: 'invalid logical access attempts',
    actions: [
      'login.failed',
      'login.locked',
      'login.network_refused',
      'request.denied',
      'session.proof_refused',
      'session.refresh_reused',
      'user.password_change_refused',
    ],
    notRecorded: 'requests without credentials to anything but the login',
  },
  '10.2.1.5': {
    text: 'changes to identification and authentication credentials',
    actions: [
      'user.*',
      'role.*',
      'key.*',
      'tenant_token.*',
      'second_factor.*',
      'recovery_codes.*',
      'identity.*',
      'identity_provider.*',
      'invitation.*',
      'group.member_*',
    ],
    except: ['*.read', '*.listed'],
  },
  '10.2.1.6': {
    text: 'starting, stopping and pausing of audit logs',
    actions: ['audit.unreadable'],
    notRecorded: 'the program has no way to stop or pause the trail; a stop of the program is not an event',
  },
  '10.2.1.7': {
    text: 'creation and deletion of system-level objects',
    actions: [
      'vrf.created',
      'vrf.deleted',
      'pool.created',
      'pool.deleted',
      'role.created',
      'role.deleted',
      'project.created',
      'identity_provider.created',
      'identity_provider.deleted',
    ],
    notRecorded: 'tables and files of the database server',
  },
};

/** Which of them an action belongs to. */
export function requirementsOf(action: string): string[] {
  return Object.entries(pciRequirements).flatMap(([id, { actions, except = [] }]) =>
    isAmong(action, actions) && !isAmong(action, except) ? [id] : [],
  );
}
