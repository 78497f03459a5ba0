/** Every right there is. A route names one; a role is a set of them. */
export const permissions = [
  'vrf:read',
  'vrf:write',
  'pool:read',
  'pool:write',
  'allocation:read',
  'allocation:write',
  'ipam:import',
  'ipam:export',
  'audit:read',
  'audit:read-own',
  'audit:archive',
  'audit-erasure:write',
  'audit-retention:read',
  'audit-retention:write',
  'audit-hold:write',
  'user:read',
  'user:write',
  'group:read',
  'group:write',
  'role:read',
  'role:write',
  'role:assign',
  'session:read',
  'session:write',
  'identity-provider:read',
  'identity-provider:write',
  'project:read',
  'project:write',
  'key:read',
  'key:write',
  'key:read-own',
  'key:write-own',
  'security-event:read',
  'security-event:write',
  'search:read',
  'work-session:read',
  'work-session:write',
  'setting:read',
  'setting:write',
  'job:read',
  'job:write',
  'metrics:read',
  'profile:read',
  'profile:write',
] as const;

export type Permission = (typeof permissions)[number];

/**
 * Rights of people alone: no key ever has them, whoever owns it. A key that could make keys, give roles, or change passwords and settings
 * would outlive every revocation of itself.
 */
export const personal: ReadonlySet<string> = new Set<Permission>([
  'audit:archive',
  'user:write',
  'group:write',
  'role:write',
  'role:assign',
  'session:write',
  'identity-provider:write',
  'project:write',
  'key:write',
  'key:write-own',
  'security-event:write',
  'audit-erasure:write',
  'audit-retention:write',
  'audit-hold:write',
  'setting:write',
  'profile:write',
]);

/** What a right that is limited to networks can still give: every other right is about more than networks, and a limited role lacks it. */
export const aboutNetworks: ReadonlySet<string> = new Set<Permission>([
  'vrf:read',
  'pool:read',
  'pool:write',
  'allocation:read',
  'allocation:write',
  'ipam:export',
  'search:read',
]);

/** What concerns the holder alone: given by a limited role as by any other. */
export const aboutOneself: ReadonlySet<string> = new Set<Permission>([
  'profile:read',
  'profile:write',
  'audit:read-own',
  'key:read-own',
  'key:write-own',
  'work-session:read',
  'work-session:write',
]);
