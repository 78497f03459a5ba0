import { aboutNetworks, aboutOneself } from '../../platform/auth/permissions.js';
import { type NetworkScope, type Principal } from '../../platform/context/request-context.js';
import { type Grant, rightsOf } from './rights.js';
import { ADMINISTRATION } from './system-roles.js';

/** A role somebody has at this moment, and where. */
export interface Assignment {
  role: string;
  permissions: string[];
  vrfIds: string[] | null;
  networks: string[] | null;
  /** As text of PostgreSQL's; null when it is for good. */
  expiresAt: string | null;
}

/** The assignments of the user `u` as a JSON list. */
export const ASSIGNMENTS = `
  (SELECT coalesce(json_agg(json_build_object('role', r.name, 'vrfIds', ur.vrf_ids, 'networks', ur.networks, 'expiresAt', ur.expires_at,
            'permissions', ARRAY (SELECT rp.permission FROM role_permissions rp WHERE rp.role_id = r.id))), '[]')
     FROM user_roles ur JOIN roles r ON r.id = ur.role_id
    WHERE ur.user_id = u.id AND (ur.expires_at IS NULL OR ur.expires_at > now()))`;

/** What assignments let their holder do: all that they give, except that a limited one gives nothing that is about more than networks. */
export function effectiveRights(assignments: readonly Assignment[]): Required<Pick<Principal, 'permissions' | 'scopes' | 'limitClass'>> {
  const rights = [...rightsOf(assignments.flatMap(grantsOf))];
  const scopes = rights.flatMap(([permission, where]): [string, NetworkScope][] => (where === 'everywhere' ? [] : [[permission, where]]));
  return {
    permissions: new Set(rights.map(([permission]) => permission)),
    scopes: new Map(scopes),
    limitClass: rights.some(([permission]) => permission === ADMINISTRATION) ? 'admin' : 'user',
  };
}

function grantsOf(assignment: Assignment): Grant[] {
  if (!isLimited(assignment)) return [assignment];
  const { permissions, vrfIds, networks } = assignment;
  return [
    { permissions: permissions.filter((permission) => aboutOneself.has(permission)), vrfIds: null, networks: null },
    { permissions: permissions.filter((permission) => aboutNetworks.has(permission)), vrfIds, networks },
  ];
}

function isLimited({ vrfIds, networks }: Assignment): boolean {
  return vrfIds !== null || networks !== null;
}
