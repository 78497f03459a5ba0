import { aboutNetworks, aboutOneself, personal } from '../../platform/auth/permissions.js';
import { type NetworkScope, type Principal } from '../../platform/context/request-context.js';
import { type KeyKind } from './key-format.js';
import { intersection, isWithin } from '../roles/network-scopes.js';

/** What somebody holds. */
export type Rights = Pick<Principal, 'permissions' | 'scopes'>;

/** What a key or token is given; without limits it holds wherever its source does. */
export interface Granted {
  permissions: readonly string[];
  limits: NetworkScope | undefined;
}

/** What a public key may read. */
const publicReads: ReadonlySet<string> = new Set(['vrf:read', 'pool:read', 'allocation:read', 'search:read']);

/** Every key may look at itself. */
const ITSELF = 'profile:read';

/** Whether a key of this kind can have the permission at all, limited to networks or not. */
export function isGrantable(permission: string, kind: KeyKind, limited: boolean): boolean {
  if (personal.has(permission)) return false;
  if (kind === 'public') return publicReads.has(permission);
  // Of others than its user a key must not learn what concerns that user alone.
  if (aboutOneself.has(permission)) return kind === 'owner';
  return !limited || aboutNetworks.has(permission);
}

/**
 * The permissions that the maker of a key does not hold, or not as widely as asked. A key of somebody's own may be asked for without limits:
 * it never has wider ones than its owner has.
 */
export function excessOf({ permissions, limits }: Granted, maker: Rights, kind: KeyKind): string[] {
  return permissions.filter((permission) => {
    if (personal.has(permission) || !maker.permissions.has(permission)) return true;
    const held = maker.scopes?.get(permission);
    if (!held || (kind === 'owner' && !limits)) return false;
    return !limits || !isWithin(limits, held);
  });
}

/** What it may do at this moment: of what it was given, what its source holds now. Without a source, all that it was given. */
export function rightsOfKey({ permissions, limits }: Granted, source: Rights | undefined): Required<Rights> {
  const scopes = new Map<string, NetworkScope>();
  const held = permissions.filter((permission) => {
    if (personal.has(permission) || (source && !source.permissions.has(permission))) return false;
    const ofSource = source?.scopes?.get(permission);
    const scope = limits && ofSource ? intersection(limits, ofSource) : (limits ?? ofSource);
    if (!scope || aboutOneself.has(permission)) return true;
    if (aboutNetworks.has(permission)) scopes.set(permission, scope);
    return aboutNetworks.has(permission);
  });
  return { permissions: new Set([...held, ITSELF]), scopes };
}
