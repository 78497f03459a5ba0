import { type RouteAccess } from '../../platform/auth/route-access.js';
import { systemRoles } from './system-roles.js';

/** One line of the role × route table: who may call a route. */
export interface RouteLine {
  method: string;
  path: string;
  /** Absent on a public route. */
  permission?: string;
  /** Why anyone may call it. */
  public?: string;
  /** The system roles that have the permission; absent on a public route. */
  roles?: string[];
}

export function routeLineOf({ method, path, access }: RouteAccess): RouteLine {
  if (access?.kind === 'public') return { method, path, public: access.why };
  const permission = access?.permission;
  if (permission === undefined) throw new Error(`${method} ${path} has neither @Requires nor @Public`);
  return { method, path, permission, roles: rolesWith(permission) };
}

export function rolesWith(permission: string): string[] {
  return systemRoles.filter((role) => role.permissions.some((p) => p === permission)).map(({ name }) => name);
}
