import fc from 'fast-check';
import { containsNetwork, isAmong, type IpNetwork, parseIp, parseNetwork } from './ip-address.js';

describe('networks', () => {
  it.each([
    ['10.0.0.0/8', 4, 10n << 24n, 8],
    ['0.0.0.0/0', 4, 0n, 0],
    ['192.0.2.1/32', 4, 0xc0000201n, 32],
    ['::/0', 6, 0n, 0],
    ['2001:db8::/32', 6, 0x20010db8n << 96n, 32],
    ['1:2:3:4:5:6:7:8/128', 6, 0x00010002000300040005000600070008n, 128],
  ] as const)('U13: %s is read', (text, family, value, length) => {
    expect(parseNetwork(text)).toEqual({ family, value, length });
  });

  it.each([
    '10.0.0.1/8',
    '10.0.0.0',
    '10.0.0.0/33',
    '10.0.0.0/08',
    '10.0.0.0/8/8',
    '010.0.0.0/8',
    'fe80::1%eth0/128',
    '::1/0',
    '',
    '/8',
    '::ffff:192.0.2.0/120',
    '::ffff:10.0.0.0/104',
    '2001:db8::1/32',
    'ten/8',
    'a/8',
  ])('U13: %s is no network', (text) => {
    expect(parseNetwork(text)).toBeUndefined();
  });

  it('U13: one contains another exactly when it has every address of it', () => {
    const network = fc.tuple(fc.nat(15), fc.integer({ min: 28, max: 32 })).map(([host, length]) => {
      const size = 2 ** (32 - length);
      return `192.0.2.${Math.floor(host / size) * size}/${length}`;
    });
    fc.assert(
      fc.property(network, network, (a, b) => {
        const [outer, inner] = [parseNetwork(a)!, parseNetwork(b)!];
        const last = ({ value, length, family }: IpNetwork): bigint => value + (1n << BigInt((family === 4 ? 32 : 128) - length)) - 1n;
        const inside = outer.family === inner.family && outer.value <= inner.value && last(inner) <= last(outer);
        expect(containsNetwork(outer, inner)).toBe(inside);
      }),
    );
    expect(containsNetwork(parseNetwork('::/0')!, parseNetwork('10.0.0.0/8')!)).toBe(false);
  });

  it.each([
    ['10.1.2.3', ['10.0.0.0/8'], true],
    ['11.1.2.3', ['10.0.0.0/8', '192.0.2.0/24'], false],
    ['2001:db8::7', ['10.0.0.0/8', '2001:db8::/32'], true],
    ['::1', ['0.0.0.0/0'], false],
  ])('K2, U18: %s in %j: %s', (address, networks, is) => {
    expect(isAmong(parseIp(address)!, networks)).toBe(is);
  });

  it('K2: what is no address is none', () => {
    expect(parseIp('no address')).toBeUndefined();
  });
});
