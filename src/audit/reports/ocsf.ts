import { type AuditEventView } from '../log/audit-event.dto.js';
import { type AuditSeverity } from '../trail/audit-event.js';
import { isAmong } from '../log/action-words.js';

/** Classes of OCSF 1.3 that our events become. */
export const ocsfClasses = {
  account_change: { uid: 3001, name: 'Account Change', category: 3 },
  authentication: { uid: 3002, name: 'Authentication', category: 3 },
  entity_management: { uid: 3004, name: 'Entity Management', category: 3 },
  api_activity: { uid: 6003, name: 'API Activity', category: 6 },
} as const;

type OcsfClass = keyof typeof ocsfClasses;

interface Mapping {
  actions: readonly string[];
  as: OcsfClass;
  /** `activity_id` of the class; 99 is Other. */
  activity: number;
}

/**
 * Our actions as OCSF's; the first row that means an action counts, and what no row means is API Activity, Other. docs/audit-search.md shows
 * this table.
 */
export const ocsfMapping: readonly Mapping[] = [
  {
    actions: ['*.read', '*.listed', '*.exported', '*.export_started', '*.report_started', '*.stream_started', 'agent.queried'],
    as: 'api_activity',
    activity: 2,
  },
  { actions: ['login.locked'], as: 'account_change', activity: 9 },
  { actions: ['login.*'], as: 'authentication', activity: 1 },
  { actions: ['session.ended'], as: 'authentication', activity: 2 },
  { actions: ['session.*'], as: 'authentication', activity: 99 },
  { actions: ['user.created', 'role.created'], as: 'account_change', activity: 1 },
  { actions: ['user.activated', 'user.approved', 'user.unlocked'], as: 'account_change', activity: 2 },
  { actions: ['user.password_changed', 'user.password_change_refused'], as: 'account_change', activity: 3 },
  { actions: ['user.password_reset', 'user.password_reset_issued'], as: 'account_change', activity: 4 },
  { actions: ['user.deactivated'], as: 'account_change', activity: 5 },
  { actions: ['user.deleted', 'user.anonymised', 'role.deleted'], as: 'account_change', activity: 6 },
  { actions: ['user.role_assigned', 'group.member_added'], as: 'account_change', activity: 7 },
  { actions: ['user.role_removed', 'group.member_removed'], as: 'account_change', activity: 8 },
  { actions: ['second_factor.added'], as: 'account_change', activity: 10 },
  { actions: ['second_factor.removed', 'user.second_factors_removed'], as: 'account_change', activity: 11 },
  { actions: ['user.*', 'role.*', 'roles.*', 'recovery_codes.*', 'identity.*'], as: 'account_change', activity: 99 },
  { actions: ['request.*', 'job.*', 'audit.*', 'security.*', 'alert.*', 'agent.*', 'import.*'], as: 'api_activity', activity: 99 },
  { actions: ['*.created', '*.issued', '*.added', '*_added'], as: 'entity_management', activity: 1 },
  { actions: ['*.deleted', '*.released', '*.revoked', '*.removed', '*_removed', '*.ended'], as: 'entity_management', activity: 4 },
  {
    actions: ['*.updated', '*.changed', '*_changed', '*.reset', '*.reverted', '*.archived', '*.rotated'],
    as: 'entity_management',
    activity: 3,
  },
];

const OTHER: Omit<Mapping, 'actions'> = { as: 'api_activity', activity: 99 };
const SEVERITY_IDS: Record<AuditSeverity, number> = { info: 1, low: 2, medium: 3, high: 4, critical: 5 };
const PRODUCT = { name: 'Cadastre', vendor_name: 'Cadastre' };

export function ocsfMappingOf(action: string): Omit<Mapping, 'actions'> {
  return ocsfMapping.find(({ actions }) => isAmong(action, actions)) ?? OTHER;
}

/** The event as an event of OCSF 1.3; what that has no place for is `unmapped`. */
export function ocsfOf(event: AuditEventView): Record<string, unknown> {
  const { as, activity } = ocsfMappingOf(event.action);
  const { uid, name, category } = ocsfClasses[as];
  const { actor, request, resource } = event;
  const { kind, id, name: actorName, sessionId, ...more } = actor;
  const principal = { uid: id, name: actorName, type: kind };
  const about = { uid: resource?.id ?? 'unknown', type: resource?.type ?? 'unknown', name: resource?.name };
  return {
    metadata: {
      version: '1.3.0',
      product: PRODUCT,
      uid: event.id,
      event_code: event.action,
      correlation_uid: event.correlationId,
      log_name: event.category,
    },
    category_uid: category,
    class_uid: uid,
    class_name: name,
    activity_id: activity,
    type_uid: uid * 100 + activity,
    time: Date.parse(event.at),
    severity_id: SEVERITY_IDS[event.severity],
    status_id: event.outcome === 'success' ? 1 : event.outcome === 'unknown' ? 0 : 2,
    status: event.outcome,
    message: event.action,
    actor: { user: principal, ...(sessionId === undefined ? {} : { session: { uid: sessionId } }) },
    src_endpoint: { ip: request?.clientIp, name: request?.clientIp === undefined ? 'internal' : undefined },
    http_request: request && { http_method: request.method, user_agent: request.userAgent, url: { path: request.route } },
    ...ofClass(as, event, principal, about),
    unmapped: {
      ...(Object.keys(more).length > 0 ? { actor: more } : {}),
      peerIp: request?.peerIp,
      flags: event.flags,
      changes: event.changes,
      before: event.before,
      after: event.after,
      detail: event.detail,
      truncated: event.truncated,
      seq: event.seq,
    },
  };
}

/** What each class requires beyond what all have. */
function ofClass(
  as: OcsfClass,
  event: AuditEventView,
  principal: object,
  about: { uid: string; type: string; name: string | undefined },
): object {
  switch (as) {
    case 'authentication':
      // Whoever signs in is the resource of a failure, and the actor of everything else.
      return { user: event.resource?.type === 'user' ? { uid: about.uid, name: about.name } : principal, service: { name: PRODUCT.name } };
    case 'account_change':
      return { user: { uid: about.uid, name: about.name, type: about.type } };
    case 'entity_management':
      return { entity: about };
    case 'api_activity':
      return { api: { operation: event.action }, resources: event.resource ? [about] : [] };
  }
}
