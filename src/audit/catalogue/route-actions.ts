import { type ClassifiedRead, readAction, readRoutes } from './read-routes.js';

/**
 * What each route that changes something leaves when it succeeds; a contract test calls them all and compares. Refused, any of them leaves
 * `request.denied` or `request.failed`.
 */
const changingRoutes: Record<string, readonly string[]> = {
  'DELETE /api/v1/audit/archive/periods/:log/:period/rehydrate': ['audit.rehydration_ended'],
  'DELETE /api/v1/audit/retention/policies/:id': ['retention_policy.deleted'],
  'DELETE /api/v1/groups/:id': ['group.deleted'],
  'DELETE /api/v1/groups/:id/members/:userId': ['group.member_removed'],
  'DELETE /api/v1/identity-providers/:id': ['identity_provider.deleted'],
  'DELETE /api/v1/invitations/:id': ['invitation.revoked'],
  'DELETE /api/v1/ipam/allocations/:id': ['allocation.released'],
  'DELETE /api/v1/ipam/pools/:id': ['pool.deleted'],
  'DELETE /api/v1/ipam/vrfs/:id': ['vrf.deleted'],
  'DELETE /api/v1/keys/:id': ['key.revoked'],
  'DELETE /api/v1/me/identities/:slug': ['identity.unlinked'],
  'DELETE /api/v1/me/keys/:id': ['key.revoked'],
  'DELETE /api/v1/me/second-factors/passkeys/:id': ['second_factor.removed'],
  'DELETE /api/v1/me/second-factors/totp': ['second_factor.removed'],
  'DELETE /api/v1/me/sessions': ['session.ended'],
  'DELETE /api/v1/me/sessions/:id': ['session.ended'],
  'DELETE /api/v1/roles/:id': ['role.deleted'],
  'DELETE /api/v1/sessions/:id': ['session.ended'],
  'DELETE /api/v1/settings/:key': ['setting.reset'],
  'DELETE /api/v1/tenant-tokens/:id': ['tenant_token.revoked'],
  'DELETE /api/v1/users/:id': ['user.deleted'],
  'DELETE /api/v1/users/:id/roles/:assignmentId': ['user.role_removed'],
  'DELETE /api/v1/users/:id/second-factors': ['user.second_factors_removed'],
  'DELETE /api/v1/users/:id/sessions': ['session.ended'],
  'PATCH /api/v1/audit/alerts/:id': ['alert.acknowledged'],
  'PATCH /api/v1/audit/retention/policies/:id': ['retention_policy.updated'],
  'PATCH /api/v1/audit/rules/:id': ['detection_rule.updated'],
  'PATCH /api/v1/groups/:id': ['group.updated'],
  'PATCH /api/v1/identity-providers/:id': ['identity_provider.updated'],
  'PATCH /api/v1/ipam/allocations/:id': ['allocation.updated'],
  'PATCH /api/v1/ipam/pools/:id': ['pool.updated'],
  'PATCH /api/v1/ipam/vrfs/:id': ['vrf.updated'],
  'PATCH /api/v1/keys/:id': ['key.updated'],
  'PATCH /api/v1/projects/:id': ['project.updated'],
  'PATCH /api/v1/roles/:id': ['role.updated'],
  'PATCH /api/v1/security-events/:id': ['security_event.acknowledged'],
  'PATCH /api/v1/users/:id': ['user.updated'],
  'PATCH /api/v1/work-sessions/:id': ['work_session.updated'],
  'POST /api/v1/audit/archive/periods/:log/:period/rehydrate': ['audit.rehydration_requested'],
  'POST /api/v1/audit/archive/runs': ['audit.archive_requested'],
  'POST /api/v1/audit/evidence': ['audit.evidence_taken'],
  'POST /api/v1/audit/holds': ['hold.placed'],
  'POST /api/v1/audit/holds/:id/release': ['hold.released'],
  'POST /api/v1/audit/retention/policies': ['retention_policy.created'],
  'POST /api/v1/audit/retention/preview': [],
  'POST /api/v1/audit/subjects/:id/erasure': ['audit.subject_erased'],
  'POST /api/v1/audit/verifications': ['audit.verification_requested', 'audit.verified'],
  'POST /api/v1/auth/exchange': ['login.succeeded'],
  'POST /api/v1/auth/invitations/accept': ['invitation.accepted', 'user.created'],
  'POST /api/v1/auth/login': ['login.succeeded'],
  'POST /api/v1/auth/logout': ['session.ended'],
  'POST /api/v1/auth/passkey': ['login.succeeded'],
  'POST /api/v1/auth/passkey-options': [],
  'POST /api/v1/auth/password-reset': ['user.password_reset'],
  'POST /api/v1/auth/providers/:slug/acs': [],
  'POST /api/v1/auth/providers/:slug/login': ['login.succeeded'],
  'POST /api/v1/auth/providers/:slug/logout-token': ['session.ended'],
  'POST /api/v1/auth/providers/:slug/start': [],
  'POST /api/v1/auth/refresh': ['session.refreshed'],
  'POST /api/v1/auth/register': ['user.created'],
  'POST /api/v1/auth/second-factor': ['login.succeeded'],
  'POST /api/v1/auth/step-up': ['session.proven'],
  'POST /api/v1/auth/step-up/passkey-options': [],
  'POST /api/v1/groups': ['group.created'],
  'POST /api/v1/identity-providers': ['identity_provider.created'],
  'POST /api/v1/identity-providers/:id/test': ['identity_provider.tested'],
  'POST /api/v1/identity-providers/ldif': [], // compares; POST because a file is long
  'POST /api/v1/invitations': ['invitation.created'],
  'POST /api/v1/ipam/allocations/bulk': ['allocation.created', 'allocation.released', 'allocation.batch_completed'],
  'POST /api/v1/ipam/calculator/merge': [], // computes; POST because the list of networks may be long
  'POST /api/v1/ipam/imports': ['import.started', 'vrf.created', 'import.completed'],
  'POST /api/v1/ipam/pools': ['pool.created'],
  'POST /api/v1/ipam/pools/:id/allocations': ['allocation.created'],
  'POST /api/v1/ipam/pools/:id/next-pools': ['pool.created'],
  'POST /api/v1/ipam/pools/:id/range-actions': ['allocation.created', 'allocation.range_completed'],
  'POST /api/v1/ipam/vrfs': ['vrf.created'],
  'POST /api/v1/jobs/:id/retry': ['job.retried'],
  'POST /api/v1/keys': ['key.created'],
  'POST /api/v1/keys/:id/rotate': ['key.created', 'key.rotated'],
  'POST /api/v1/me/identities': ['identity.linked'],
  'POST /api/v1/me/identities/:slug/login': ['identity.linked'],
  'POST /api/v1/me/identities/:slug/start': [],
  'POST /api/v1/me/keys': ['key.created'],
  'POST /api/v1/me/keys/:id/collect': ['key.collected', 'key.rotated'],
  'POST /api/v1/me/keys/:id/rotate': ['key.created', 'key.rotated'],
  'POST /api/v1/me/password': ['user.password_changed'],
  'POST /api/v1/me/second-factors/passkeys': ['second_factor.added'],
  'POST /api/v1/me/second-factors/passkeys/options': [],
  'POST /api/v1/me/second-factors/recovery-codes': ['recovery_codes.replaced'],
  'POST /api/v1/me/second-factors/totp': [],
  'POST /api/v1/me/second-factors/totp/confirm': ['second_factor.added'],
  'POST /api/v1/projects': ['project.created'],
  'POST /api/v1/projects/:id/archive': ['key.revoked', 'project.archived'],
  'POST /api/v1/roles': ['role.created'],
  'POST /api/v1/settings/:key/revert': ['setting.reverted'],
  'POST /api/v1/tenant-tokens': ['tenant_token.issued'],
  'POST /api/v1/users': ['user.created'],
  'POST /api/v1/users/:id/anonymise': ['user.anonymised'],
  'POST /api/v1/users/:id/approve': ['user.approved'],
  'POST /api/v1/users/:id/password-reset': ['user.password_reset_issued'],
  'POST /api/v1/users/:id/roles': ['user.role_assigned'],
  'POST /api/v1/users/:id/unlock': ['user.unlocked'],
  'POST /api/v1/users/bulk': ['user.batch_started', 'user.deactivated', 'user.batch_completed'],
  'POST /api/v1/work-sessions': ['work_session.created'],
  'POST /api/v1/work-sessions/:id/end': ['work_session.ended'],
  'POST /api/v1/work-sessions/:id/executions': ['agent.executed'],
  'POST /api/v1/work-sessions/:id/messages': ['work_session.message_added'],
  'POST /api/v1/work-sessions/:id/resume': ['work_session.resumed'],
  'PUT /api/v1/groups/:id/members/:userId': ['group.member_added'],
  'PUT /api/v1/ipam/pools/:id': ['pool.updated'],
  'PUT /api/v1/projects/:id/members': ['project.members_changed'],
  'PUT /api/v1/projects/:id/pools': ['project.pools_changed'],
  'PUT /api/v1/settings/:key': ['setting.changed'],
  'PUT /api/v1/users/:id/roles': ['user.roles_changed'],
};

/** What a route leaves; empty when it leaves nothing, undefined when there is no such route. */
export function actionsOfRoute(route: string): readonly string[] | undefined {
  const read = readRoutes[route];
  if (!read) return changingRoutes[route];
  if ('leaves' in read) return read.leaves;
  return 'kind' in read ? actionsOfRead(read) : [];
}

/** The routes that may leave an action, by method and path. */
export function routesThatLeave(action: string): string[] {
  return [...Object.keys(changingRoutes), ...Object.keys(readRoutes)].filter((route) => actionsOfRoute(route)?.includes(action));
}

function actionsOfRead(read: ClassifiedRead): string[] {
  return read.shows === 'file' ? [`${read.resource}.export_started`, readAction(read)] : [readAction(read)];
}
