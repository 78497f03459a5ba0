/** What a policy of its own decides about: accounts and who belongs where; rights, credentials and settings; the address space; whole files. */
export type ReadKind = 'people' | 'access' | 'network' | 'exports';

/** A route whose answers are classified: who read what is in the trail, as the policy of its kind says. */
export interface ClassifiedRead {
  kind: ReadKind;
  /** The type of what is shown. */
  resource: string;
  /** One thing of which the path has the id, a list, or a file. */
  shows: 'one' | 'list' | 'file';
  /** For a list below one thing of which the path has the id: the type of that. */
  of?: string;
}

type ReadRoute = ClassifiedRead | { notClassified: string } | { leaves: readonly string[] };

const one = (kind: ReadKind, resource: string): ClassifiedRead => ({ kind, resource, shows: 'one' });
const list = (kind: ReadKind, resource: string, of?: string): ClassifiedRead => ({
  kind,
  resource,
  shows: 'list',
  ...(of === undefined ? {} : { of }),
});
const file = (kind: ReadKind, resource: string): ClassifiedRead => ({ kind, resource, shows: 'file' });
const open = (why: string): ReadRoute => ({ notClassified: why });
const leaves = (...actions: string[]): ReadRoute => ({ leaves: actions });

const OWN = 'what the caller is and has';
const ABOUT_TRAIL = 'about the trail, without what is in it';
const COMPUTED = 'computed from the question alone';
const DESCRIBES = 'describes the interface';
const PROBE = 'a probe';

/**
 * Every route that reads: classified, in the trail by itself already, or not classified and why. A contract test compares it with the routes
 * there are, so a new one has to say what it is.
 */
export const readRoutes: Record<string, ReadRoute> = {
  'GET /api/v1/audit/alerts': open(ABOUT_TRAIL),
  'GET /api/v1/audit/archive/periods': open(ABOUT_TRAIL),
  'GET /api/v1/audit/archive/plan': open(ABOUT_TRAIL),
  'GET /api/v1/audit/archive/runs': open(ABOUT_TRAIL),
  'GET /api/v1/audit/archive/runs/:id': open(ABOUT_TRAIL),
  'GET /api/v1/audit/checkpoints': open(ABOUT_TRAIL),
  'GET /api/v1/audit/consistency': open(ABOUT_TRAIL),
  'GET /api/v1/audit/events': leaves('audit.read'),
  'GET /api/v1/audit/events/:id': leaves('audit.read'),
  'GET /api/v1/audit/events/:id/proof': leaves('audit.proof_read'),
  'GET /api/v1/audit/export': leaves('audit.export_started', 'audit.exported'),
  'GET /api/v1/audit/holds': open(ABOUT_TRAIL),
  'GET /api/v1/audit/holds/:id': open(ABOUT_TRAIL),
  'GET /api/v1/audit/keys': open(ABOUT_TRAIL),
  'GET /api/v1/audit/monitoring/failures': leaves('audit.read'),
  'GET /api/v1/audit/monitoring/high-severity': leaves('audit.read'),
  'GET /api/v1/audit/monitoring/unusual-usage': leaves('audit.read'),
  'GET /api/v1/audit/reports/access': leaves('audit.report_started', 'audit.read'),
  'GET /api/v1/audit/reports/change-trail': leaves('audit.report_started', 'audit.read'),
  'GET /api/v1/audit/reports/data-subject': leaves('audit.report_started', 'audit.read'),
  'GET /api/v1/audit/reports/pci': leaves('audit.report_started', 'audit.read'),
  'GET /api/v1/audit/retention/expiries': open(ABOUT_TRAIL),
  'GET /api/v1/audit/retention/policies': open(ABOUT_TRAIL),
  'GET /api/v1/audit/retention/policies/:id': open(ABOUT_TRAIL),
  'GET /api/v1/audit/rules': open(ABOUT_TRAIL),
  'GET /api/v1/audit/stats': leaves('audit.read'),
  'GET /api/v1/audit/stream': leaves('audit.stream_started', 'audit.read'),
  'GET /api/v1/audit/subjects/:id': leaves('audit.read'),
  'GET /api/v1/audit/timeline': leaves('audit.read'),
  'GET /api/v1/audit/verifications': open(ABOUT_TRAIL),
  'GET /api/v1/audit/verifications/:id': open(ABOUT_TRAIL),

  'GET /api/v1/users': list('people', 'user'),
  'GET /api/v1/users/:id': one('people', 'user'),
  'GET /api/v1/users/:id/groups': list('people', 'group_membership', 'user'),
  'GET /api/v1/groups': list('people', 'group'),
  'GET /api/v1/groups/:id': one('people', 'group'),
  'GET /api/v1/groups/:id/members': list('people', 'group_membership', 'group'),
  'GET /api/v1/invitations': list('people', 'invitation'),
  'GET /api/v1/projects': list('people', 'project'),
  'GET /api/v1/projects/:id': one('people', 'project'),
  'GET /api/v1/work-sessions': list('people', 'work_session'),
  'GET /api/v1/work-sessions/:id': one('people', 'work_session'),
  'GET /api/v1/work-sessions/:id/entries': list('people', 'work_session_entry', 'work_session'),

  'GET /api/v1/users/:id/roles': list('access', 'role_assignment', 'user'),
  'GET /api/v1/roles': list('access', 'role'),
  'GET /api/v1/roles/:id': one('access', 'role'),
  'GET /api/v1/sessions': list('access', 'login_session'),
  'GET /api/v1/identity-providers': list('access', 'identity_provider'),
  'GET /api/v1/identity-providers/:id': one('access', 'identity_provider'),
  'GET /api/v1/keys': list('access', 'key'),
  'GET /api/v1/keys/:id': one('access', 'key'),
  'GET /api/v1/keys/:id/health': one('access', 'key'),
  'GET /api/v1/keys/:id/usage': list('access', 'key_usage', 'key'),
  'GET /api/v1/keys/rotation-candidates': list('access', 'key'),
  'GET /api/v1/security-events': list('access', 'security_event'),
  'GET /api/v1/security-events/:id': one('access', 'security_event'),
  'GET /api/v1/settings': list('access', 'setting'),
  'GET /api/v1/settings/:key': one('access', 'setting'),
  'GET /api/v1/settings/:key/history': list('access', 'setting_version', 'setting'),

  'GET /api/v1/ipam/alerts': list('network', 'pool_alert'),
  'GET /api/v1/ipam/allocations/:id': one('network', 'allocation'),
  'GET /api/v1/ipam/history': list('network', 'allocation'),
  'GET /api/v1/ipam/pools': list('network', 'pool'),
  'GET /api/v1/ipam/pools/:id': one('network', 'pool'),
  'GET /api/v1/ipam/pools/:id/allocations': list('network', 'allocation', 'pool'),
  'GET /api/v1/ipam/pools/:id/map': one('network', 'pool'),
  'GET /api/v1/ipam/pools/:id/stats': one('network', 'pool'),
  'GET /api/v1/ipam/search': list('network', 'allocation'),
  'GET /api/v1/ipam/stats': list('network', 'pool_statistics'),
  'GET /api/v1/ipam/vrfs': list('network', 'vrf'),
  'GET /api/v1/ipam/vrfs/:id': one('network', 'vrf'),
  'GET /api/v1/search': list('network', 'search_result'),

  'GET /api/v1/identity-providers/ldif': file('exports', 'ldif'),
  'GET /api/v1/ipam/exports/addresses.csv': file('exports', 'address_file'),
  'GET /api/v1/ipam/exports/prefixes.csv': file('exports', 'prefix_file'),
  'GET /api/v1/ipam/exports/ranges.csv': file('exports', 'range_file'),
  'GET /api/v1/ipam/exports/vrfs.csv': file('exports', 'vrf_file'),

  'GET /api/v1/auth/providers': open('shown to everybody on the sign-in page'),
  'GET /api/v1/auth/providers/:slug/callback': leaves('login.succeeded'),
  'GET /api/v1/auth/providers/:slug/metadata': open('published for the provider'),
  'GET /api/v1/feature-flags': open('the same for every client'),
  'GET /api/v1/jobs': open('names and states of background work'),
  'GET /api/v1/keys/introspect': open(OWN),
  'GET /api/v1/me': open(OWN),
  'GET /api/v1/me/audit-events': open(OWN),
  'GET /api/v1/me/identities': open(OWN),
  'GET /api/v1/me/keys': open(OWN),
  'GET /api/v1/me/second-factors': open(OWN),
  'GET /api/v1/me/sessions': open(OWN),
  'GET /api/v1/permissions': open(OWN),
  'GET /api/v1/ipam/calculator/info': open(COMPUTED),
  'GET /api/v1/ipam/calculator/split': open(COMPUTED),
  'GET /api/v1/ipam/calculator/validate': open(COMPUTED),
  'GET /docs': open(DESCRIBES),
  'GET /docs/openapi.json': open(DESCRIBES),
  'GET /docs/start.js': open(DESCRIBES),
  'GET /docs/ui/:file': open(DESCRIBES),
  'GET /health/live': open(PROBE),
  'GET /health/ready': open(PROBE),
  'GET /health/startup': open(PROBE),
  'GET /health/version': open(PROBE),
  'GET /metrics': open('figures without names'),
};

/** Undefined for a route that is not classified. */
export function classifiedRead(route: string): ClassifiedRead | undefined {
  const entry = readRoutes[route];
  return entry && 'kind' in entry ? entry : undefined;
}

/** What reading it is called. */
export function readAction({ resource, shows }: ClassifiedRead): string {
  return `${resource}.${{ one: 'read', list: 'listed', file: 'exported' }[shows]}`;
}
