import { isIP } from 'node:net';

export type Family = 4 | 6;

/** A host address as a number of its family. */
export interface Ip {
  family: Family;
  value: bigint;
}

/** A network: `first` has no bit set beyond `length`. */
export interface Cidr {
  family: Family;
  first: bigint;
  length: number;
}

/** Why a text is no address or network; `canonical` is what was probably meant, where that is clear. */
export class IpSyntaxError extends Error {
  constructor(
    readonly code: string,
    detail: string,
    readonly canonical?: string,
  ) {
    super(detail);
  }
}

export function widthOf(family: Family): 32 | 128 {
  return family === 4 ? 32 : 128;
}

/**
 * Reads an address strictly: dotted quads without leading zeros, RFC 4291 §2.2 text for IPv6; no zone ids, no IPv4-mapped IPv6.
 * Throws IpSyntaxError.
 */
export function parseIp(text: string): Ip {
  if (text.includes('%')) throw new IpSyntaxError('zone_id', 'must not have a zone id');
  const family = isIP(text);
  if (family === 4) return { family: 4, value: parseV4(text) };
  if (family === 6) {
    const value = parseV6(text);
    if (value >> 32n === 0xffffn) {
      const v4 = formatIp({ family: 4, value: value & 0xffff_ffffn });
      throw new IpSyntaxError('ipv4_mapped', `is an IPv4-mapped IPv6 address; write ${v4}`, v4);
    }
    return { family: 6, value };
  }
  throw wrongForm(text);
}

/** Reads a network. Throws IpSyntaxError: also when host bits are set, with the network that covers it; nothing is masked silently. */
export function parseCidr(text: string): Cidr {
  const slash = text.indexOf('/');
  if (slash === -1) throw new IpSyntaxError('prefix_length_missing', 'needs a prefix length, such as 10.0.0.0/8');
  const { family, value } = parseIp(text.slice(0, slash));
  const digits = text.slice(slash + 1);
  const length = Number(digits);
  if (!/^(0|[1-9]\d{0,2})$/.test(digits) || length > widthOf(family))
    throw new IpSyntaxError('prefix_length', `must have a prefix length of 0 to ${widthOf(family)}`);
  const first = maskOf(value, family, length);
  if (first !== value) {
    const canonical = formatCidr({ family, first, length });
    throw new IpSyntaxError('host_bits_set', `has host bits set; the network is ${canonical}`, canonical);
  }
  return { family, first, length };
}

export function formatIp({ family, value }: Ip): string {
  return family === 4 ? [24n, 16n, 8n, 0n].map((shift) => (value >> shift) & 255n).join('.') : formatV6(value);
}

export function formatCidr({ family, first, length }: Cidr): string {
  return `${formatIp({ family, value: first })}/${length}`;
}

export function sizeOf(cidr: Cidr): bigint {
  return 1n << BigInt(widthOf(cidr.family) - cidr.length);
}

export function lastOf(cidr: Cidr): bigint {
  return cidr.first + sizeOf(cidr) - 1n;
}

export function contains(outer: Cidr, inner: Cidr): boolean {
  return outer.family === inner.family && outer.length <= inner.length && maskOf(inner.first, inner.family, outer.length) === outer.first;
}

export function maskOf(value: bigint, family: Family, length: number): bigint {
  const shift = BigInt(widthOf(family) - length);
  return (value >> shift) << shift;
}

function parseV4(text: string): bigint {
  return text.split('.').reduce((sum, part) => sum * 256n + BigInt(part), 0n);
}

function parseV6(text: string): bigint {
  let hex = text;
  const embedded = /^(.*:)(\d+\.\d+\.\d+\.\d+)$/.exec(text);
  if (embedded) {
    const v4 = parseV4(embedded[2] ?? '');
    hex = `${embedded[1] ?? ''}${(v4 >> 16n).toString(16)}:${(v4 & 0xffffn).toString(16)}`;
  }
  const [head = '', tail] = hex.split('::');
  const left = head === '' ? [] : head.split(':');
  const right = tail === undefined || tail === '' ? [] : tail.split(':');
  const groups = tail === undefined ? left : [...left, ...Array<string>(8 - left.length - right.length).fill('0'), ...right];
  return groups.reduce((sum, group) => (sum << 16n) | BigInt(`0x${group}`), 0n);
}

/** RFC 5952: lower case, no leading zeros, the longest run of two or more zero groups (the first of equals) as `::`. */
function formatV6(value: bigint): string {
  const groups = Array.from({ length: 8 }, (_, i) => ((value >> BigInt(112 - 16 * i)) & 0xffffn).toString(16));
  let bestStart = -1;
  let bestLength = 1;
  for (let i = 0; i < 8; i++) {
    let end = i;
    while (end < 8 && groups[end] === '0') end++;
    if (end - i > bestLength) {
      bestStart = i;
      bestLength = end - i;
    }
    i = Math.max(i, end - 1);
  }
  if (bestStart === -1) return groups.join(':');
  return `${groups.slice(0, bestStart).join(':')}::${groups.slice(bestStart + bestLength).join(':')}`;
}

function wrongForm(text: string): IpSyntaxError {
  const quads = text.split('.');
  if (/^\d+(\.\d+)*$/.test(text) && quads.length < 4) return new IpSyntaxError('short_form', 'must have four parts, such as 10.0.0.1');
  if (quads.length === 4 && quads.every((q) => /^\d{1,4}$/.test(q) && Number(q) <= 255) && quads.some((q) => /^0\d/.test(q))) {
    const canonical = quads.map(Number).join('.');
    return new IpSyntaxError('leading_zeros', `must not have leading zeros, which some read as octal; write ${canonical}`, canonical);
  }
  return new IpSyntaxError('not_an_address', 'is not an IPv4 or IPv6 address');
}
