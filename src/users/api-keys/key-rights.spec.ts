import fc from 'fast-check';
import { personal, permissions } from '../../platform/auth/permissions.js';
import { type NetworkGrant, type NetworkScope } from '../../platform/context/request-context.js';
import { keyKinds } from './key-format.js';
import { excessOf, type Granted, isGrantable, type Rights, rightsOfKey } from './key-rights.js';
import { intersection, isWithin } from '../roles/network-scopes.js';

const VRFS = ['a', 'b', 'c'];
const v4 = fc
  .tuple(fc.integer({ min: 0, max: 32 }), fc.constantFrom(0x0a000000, 0x0a010000, 0x0a010180, 0xc0a80000, 0x0a8000ff))
  .map(([length, base]) => {
    const first = length === 0 ? 0 : (base >>> (32 - length)) * 2 ** (32 - length);
    return `${[24, 16, 8, 0].map((shift) => Math.floor(first / 2 ** shift) % 256).join('.')}/${length}`;
  });
const network = fc.oneof({ weight: 5, arbitrary: v4 }, fc.constantFrom('2001:db8::/32', '2001:db8:1::/48', '::/0', '2001:db8::1/128'));
const listOrAll = <T>(item: fc.Arbitrary<T>): fc.Arbitrary<T[] | null> =>
  fc.option(fc.uniqueArray(item, { minLength: 1, maxLength: 3 }), { nil: null });
const grant: fc.Arbitrary<NetworkGrant> = fc.record({ vrfIds: listOrAll(fc.constantFrom(...VRFS)), networks: listOrAll(network) });
const scope: fc.Arbitrary<NetworkScope> = fc.array(grant, { maxLength: 3 });
const someRights: fc.Arbitrary<Rights> = fc
  .tuple(fc.subarray([...permissions]), fc.dictionary(fc.constantFrom('pool:read', 'pool:write', 'vrf:read'), scope))
  .map(([held, scopes]) => ({ permissions: new Set(held), scopes: new Map(Object.entries(scopes)) }));
const granted: fc.Arbitrary<Granted> = fc.record({
  permissions: fc.subarray([...permissions]),
  limits: fc.option(scope, { nil: undefined }),
});

/** Whether a pool is inside, as the views of the schema `scoped` decide it. */
function admits(limits: NetworkScope | undefined, vrfId: string, pool: string): boolean {
  return (
    limits?.some(
      ({ vrfIds, networks }) =>
        (vrfIds === null || vrfIds.includes(vrfId)) &&
        (networks === null || isWithin([{ vrfIds: null, networks: [pool] }], [{ vrfIds: null, networks }])),
    ) ?? true
  );
}

describe('networks', () => {
  it('K2: an intersection admits exactly what both do', () => {
    fc.assert(
      fc.property(scope, scope, fc.constantFrom(...VRFS), network, (a, b, vrf, pool) => {
        expect(admits(intersection(a, b), vrf, pool)).toBe(admits(a, vrf, pool) && admits(b, vrf, pool));
      }),
    );
  });

  it('K2: what is within something admits nothing beyond it', () => {
    fc.assert(
      fc.property(scope, scope, fc.constantFrom(...VRFS), network, (a, b, vrf, pool) => {
        expect(isWithin(intersection(a, b), a)).toBe(true);
        expect(!isWithin(a, b) || !admits(a, vrf, pool) || admits(b, vrf, pool)).toBe(true);
      }),
    );
  });
});

describe('rights of keys', () => {
  it('K2: a key never may what its owner may not, nor where, and never what is for people alone', () => {
    fc.assert(
      fc.property(granted, someRights, fc.constantFrom(...VRFS), network, (given, owner, vrf, pool) => {
        const has = rightsOfKey(given, owner);
        for (const permission of has.permissions) {
          if (permission === 'profile:read') continue;
          expect([permission, personal.has(permission), owner.permissions.has(permission)]).toEqual([permission, false, true]);
          const where = has.scopes.get(permission);
          const beyond = !(admits(given.limits, vrf, pool) && admits(owner.scopes?.get(permission), vrf, pool));
          expect(where !== undefined && admits(where, vrf, pool) && beyond).toBe(false);
        }
      }),
    );
  });

  it('K2: what no excess was found in is a part of what the maker holds', () => {
    fc.assert(
      fc.property(granted, someRights, fc.constantFrom(...keyKinds), fc.constantFrom(...VRFS), network, (given, maker, kind, vrf, pool) => {
        const excess = excessOf(given, maker, kind);
        const clean = { ...given, permissions: given.permissions.filter((p) => !excess.includes(p)) };
        // An owner's key is looked at with the owner's rights; the others with what was given.
        const has = rightsOfKey(clean, kind === 'owner' ? maker : undefined);
        for (const permission of clean.permissions) expect(maker.permissions.has(permission)).toBe(true);
        for (const permission of ['pool:read', 'pool:write', 'vrf:read'].filter((p) => clean.permissions.includes(p)))
          expect(!admits(has.scopes.get(permission), vrf, pool) || admits(maker.scopes?.get(permission), vrf, pool)).toBe(true);
      }),
    );
  });

  it('K2: no kind can be given what is for people alone, and public keys only read', () => {
    for (const permission of personal) for (const kind of keyKinds) expect(isGrantable(permission, kind, false)).toBe(false);
    expect(permissions.filter((p) => isGrantable(p, 'public', false))).toEqual(['vrf:read', 'pool:read', 'allocation:read', 'search:read']);
    expect(permissions.filter((p) => isGrantable(p, 'tenant', true) && !isGrantable(p, 'owner', true))).toEqual([]);
    expect(isGrantable('audit:read', 'tenant', true)).toBe(false);
    expect(isGrantable('key:read-own', 'admin', false)).toBe(false);
  });
});
