import { aboutNetworks, aboutOneself } from '../../platform/auth/permissions.js';
import { type NetworkGrant, type NetworkScope, type Principal } from '../../platform/context/request-context.js';
import { ADMIN, SUPERUSER } from './system-roles.js';

/** A role somebody has at this moment, and where. */
export interface Assignment {
  role: string;
  permissions: string[];
  vrfIds: string[] | null;
  networks: string[] | null;
}

/** The assignments of the user `u` as a JSON list. */
export const ASSIGNMENTS = `
  (SELECT coalesce(json_agg(json_build_object('role', r.name, 'vrfIds', ur.vrf_ids, 'networks', ur.networks,
            'permissions', ARRAY (SELECT rp.permission FROM role_permissions rp WHERE rp.role_id = r.id))), '[]')
     FROM user_roles ur JOIN roles r ON r.id = ur.role_id
    WHERE ur.user_id = u.id AND (ur.expires_at IS NULL OR ur.expires_at > now()))`;

/** What assignments add up to: a permission held without limit anywhere is held everywhere; otherwise its limits are alternatives. */
export function rightsOf(assignments: readonly Assignment[]): Required<Pick<Principal, 'permissions' | 'scopes' | 'limitClass'>> {
  const everywhere = new Set<string>();
  const somewhere = new Map<string, NetworkGrant[]>();
  for (const { permissions, vrfIds, networks } of assignments) {
    const limited = vrfIds !== null || networks !== null;
    for (const permission of permissions) {
      if (!limited || aboutOneself.has(permission)) everywhere.add(permission);
      else if (aboutNetworks.has(permission)) somewhere.set(permission, [...(somewhere.get(permission) ?? []), { vrfIds, networks }]);
    }
  }
  const scopes = new Map<string, NetworkScope>([...somewhere].filter(([permission]) => !everywhere.has(permission)));
  const administers = assignments.some(
    ({ role, vrfIds, networks }) => vrfIds === null && networks === null && [SUPERUSER, ADMIN].includes(role),
  );
  return { permissions: new Set([...everywhere, ...scopes.keys()]), scopes, limitClass: administers ? 'admin' : 'user' };
}
