import { type NetworkGrant, type NetworkScope } from '../../platform/context/request-context.js';
import { isWithin } from './network-scopes.js';

/** What somebody may do, and where. A permission that is absent holds nowhere. */
export type Rights = ReadonlyMap<string, NetworkScope | 'everywhere'>;

/** A role as one assignment gives it. */
export interface Grant extends NetworkGrant {
  permissions: readonly string[];
}

/** All grants together: each adds, none takes away. */
export function rightsOf(grants: readonly Grant[]): Rights {
  const rights = new Map<string, NetworkScope | 'everywhere'>();
  for (const { permissions, vrfIds, networks } of grants)
    for (const permission of permissions) {
      const known = rights.get(permission) ?? [];
      const unlimited = known === 'everywhere' || (vrfIds === null && networks === null);
      rights.set(permission, unlimited ? 'everywhere' : [...known, { vrfIds, networks }]);
    }
  return rights;
}

/**
 * The permissions of `asked` that `held` does not have wherever they are asked for. Errs on the side of missing: two halves that are held
 * one by one do not make the whole.
 */
export function missing(held: Rights, asked: Rights): string[] {
  return [...asked].filter(([permission, where]) => !holdsThere(held.get(permission), where)).map(([permission]) => permission);
}

export function covers(held: Rights, asked: Rights): boolean {
  return missing(held, asked).length === 0;
}

function holdsThere(held: NetworkScope | 'everywhere' | undefined, asked: NetworkScope | 'everywhere'): boolean {
  if (held === 'everywhere') return true;
  return held !== undefined && asked !== 'everywhere' && isWithin(asked, held);
}
