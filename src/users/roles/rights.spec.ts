import fc from 'fast-check';
import { covers, type Grant, missing, type Rights, rightsOf } from './rights.js';
import { containsNetwork, parseNetwork } from '../../kernel/ip-address.js';

const PERMISSIONS = ['pool:read', 'pool:write', 'user:write'];
const VRFS = ['a', 'b', 'c'];
const NETWORKS = ['10.0.0.0/8', '10.1.0.0/16', '10.1.2.0/24', '10.2.0.0/16', '2001:db8::/32', '2001:db8:1::/48', '0.0.0.0/0', '::/0'];
/** One address in each corner that the networks above tell apart. */
const ADDRESSES = [
  '10.1.2.3/32',
  '10.1.9.9/32',
  '10.2.0.1/32',
  '10.9.9.9/32',
  '192.0.2.1/32',
  '2001:db8:1::1/128',
  '2001:db8:2::1/128',
  '::1/128',
];

const some = (values: string[]): fc.Arbitrary<string[]> => fc.subarray(values, { minLength: 1 });
const grant: fc.Arbitrary<Grant> = fc.record({
  permissions: some(PERMISSIONS),
  vrfIds: fc.option(some(VRFS)),
  networks: fc.option(some(NETWORKS)),
});
const rights: fc.Arbitrary<Rights> = fc.array(grant, { maxLength: 4 }).map(rightsOf);

/** The plain meaning: whether the permission holds for this address of this VRF. */
function allows(held: Rights, permission: string, vrf: string, address: string): boolean {
  const where = held.get(permission);
  if (where === undefined) return false;
  if (where === 'everywhere') return true;
  const inside = (network: string): boolean => containsNetwork(parseNetwork(network)!, parseNetwork(address)!);
  return where.some(({ vrfIds, networks }) => (vrfIds?.includes(vrf) ?? true) && (networks?.some(inside) ?? true));
}

function everyPoint(holds: (permission: string, vrf: string, address: string) => boolean): boolean {
  // A VRF that nobody names stands for all others.
  return PERMISSIONS.every((permission) =>
    [...VRFS, 'other'].every((vrf) => ADDRESSES.every((address) => holds(permission, vrf, address))),
  );
}

describe('rights', () => {
  it('U13, ASVS 8.2.1: what covers others allows all that they allow, at every address of every VRF', () => {
    fc.assert(
      fc.property(rights, rights, (held, asked) => {
        fc.pre(covers(held, asked));
        expect(everyPoint((...point) => !allows(asked, ...point) || allows(held, ...point))).toBe(true);
      }),
      { numRuns: 400 },
    );
  });

  it('U13: an actor with random roles grants random roles: what is let through never exceeds what they hold', () => {
    fc.assert(
      fc.property(rights, fc.array(grant, { maxLength: 6 }), (held, wanted) => {
        const granted = wanted.filter((one) => covers(held, rightsOf([one])));
        const given = rightsOf(granted);
        expect(covers(held, given)).toBe(true);
        expect(everyPoint((...point) => !allows(given, ...point) || allows(held, ...point))).toBe(true);
      }),
      { numRuns: 400 },
    );
  });

  it('U13: everybody may do what they may do, nothing is covered by anything, and covering goes on through others', () => {
    fc.assert(
      fc.property(rights, rights, rights, (a, b, c) => {
        expect(covers(a, a)).toBe(true);
        expect(covers(a, new Map())).toBe(true);
        expect(covers(new Map(), a)).toBe(a.size === 0);
        expect(!covers(a, b) || !covers(b, c) || covers(a, c)).toBe(true);
      }),
      { numRuns: 400 },
    );
  });

  it('U13: a limited right is no unlimited one, however wide its limits', () => {
    const wide = rightsOf([{ permissions: ['pool:read'], vrfIds: null, networks: ['0.0.0.0/0', '::/0'] }]);
    const all = rightsOf([{ permissions: ['pool:read'], vrfIds: null, networks: null }]);
    expect(missing(wide, all)).toEqual(['pool:read']);
    expect(missing(all, wide)).toEqual([]);
  });

  it('U13: halves that are held one by one do not make the whole', () => {
    const halves = rightsOf([{ permissions: ['pool:read'], vrfIds: null, networks: ['10.0.0.0/9', '10.128.0.0/9'] }]);
    const whole = rightsOf([{ permissions: ['pool:read'], vrfIds: null, networks: ['10.0.0.0/8'] }]);
    expect(covers(halves, whole)).toBe(false);
    expect(covers(whole, halves)).toBe(true);
  });
});
