import { isIPv6 } from 'node:net';
import fc from 'fast-check';
import { merge, split } from './calculator.js';
import { type Cidr, type Family, formatCidr, formatIp, IpSyntaxError, maskOf, parseCidr, parseIp, sizeOf, widthOf } from './ip.js';

const family = fc.constantFrom<Family>(4, 6);
const cidr = fc.tuple(family, fc.bigInt(0n, (1n << 128n) - 1n), fc.nat(128)).map(([f, v, l]): Cidr => {
  const length = l % (widthOf(f) + 1);
  return { family: f, first: maskOf(v & ((1n << BigInt(widthOf(f))) - 1n), f, length), length };
});

function refusalOf(text: string): unknown {
  try {
    return parseCidr(text);
  } catch (error) {
    return error instanceof IpSyntaxError ? error : `not a syntax error: ${String(error)}`;
  }
}

describe('addresses and networks', () => {
  it.each([
    ['10.0.0.1/8', 'host_bits_set', '10.0.0.0/8'],
    ['2001:db8::1/64', 'host_bits_set', '2001:db8::/64'],
    ['010.0.0.0/8', 'leading_zeros', '10.0.0.0'],
    ['10/8', 'short_form', undefined],
    ['10.1/16', 'short_form', undefined],
    ['fe80::1%eth0/64', 'zone_id', undefined],
    ['::ffff:10.0.0.0/104', 'ipv4_mapped', '10.0.0.0'],
    ['10.0.0.0/33', 'prefix_length', undefined],
    ['10.0.0.0/08', 'prefix_length', undefined],
    ['10.0.0.0', 'prefix_length_missing', undefined],
    ['10.0.0.256/32', 'not_an_address', undefined],
    ['nonsense/8', 'not_an_address', undefined],
  ])('I2: refuses %s as %s', (text, code, canonical) => {
    expect(refusalOf(text)).toMatchObject({ code, canonical });
  });

  it('I1: writes IPv6 as RFC 5952 wants it', () => {
    const table: [string, string][] = [
      ['2001:0DB8:0:0:0:0:0:1', '2001:db8::1'],
      ['2001:db8:0:1:1:1:1:1', '2001:db8:0:1:1:1:1:1'],
      ['2001:0:0:1:0:0:0:1', '2001:0:0:1::1'],
      ['2001:db8:0:0:1:0:0:1', '2001:db8::1:0:0:1'],
      ['::', '::'],
      ['1::', '1::'],
      ['64:ff9b::192.0.2.33', '64:ff9b::c000:221'],
    ];
    for (const [text, canonical] of table) expect(formatIp(parseIp(text))).toBe(canonical);
  });

  it('I4: reads back every address and network it writes', () => {
    fc.assert(
      fc.property(cidr, (network) => {
        const text = formatCidr(network);
        expect(parseCidr(text)).toEqual(network);
        expect(isIPv6(text.slice(0, text.indexOf('/')))).toBe(network.family === 6);
      }),
    );
  });

  it('I16: split then merge gives the original, v4 and v6', () => {
    fc.assert(
      fc.property(cidr, fc.nat(8), (network, deeper) => {
        const length = Math.min(network.length + deeper, widthOf(network.family));
        const parts = split(network, length);
        expect(parts.reduce((sum, part) => sum + sizeOf(part), 0n)).toBe(sizeOf(network));
        expect(merge([...parts].reverse())).toEqual([network]);
      }),
    );
  });

  it('I16: merge keeps exactly the addresses it was given', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(255), fc.integer({ min: 24, max: 32 })), { maxLength: 20 }), (picks) => {
        const networks = picks.map(([value, length]): Cidr => ({ family: 4, first: maskOf(BigInt(value), 4, length), length }));
        const members = (list: readonly Cidr[]): Set<bigint> =>
          new Set(list.flatMap((n) => Array.from({ length: Number(sizeOf(n)) }, (_, i) => n.first + BigInt(i))));
        const merged = merge(networks);
        expect(members(merged)).toEqual(members(networks));
        expect(merged.reduce((sum, n) => sum + sizeOf(n), 0n)).toBe(BigInt(members(networks).size));
      }),
    );
  });
});
