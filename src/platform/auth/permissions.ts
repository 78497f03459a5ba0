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
  'user:read',
  'user:write',
  'role:read',
  'job:read',
  'job:write',
  'metrics:read',
  'profile:read',
  'profile:write',
] as const;

export type Permission = (typeof permissions)[number];
