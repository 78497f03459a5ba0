import { isIP } from 'node:net';

export interface IpAddress {
  family: 4 | 6;
  value: bigint;
}

export interface IpNetwork extends IpAddress {
  /** Prefix length. */
  length: number;
}

const BITS = { 4: 32, 6: 128 } as const;
const MAPPED = 0xffffn;

/** An address in any of its written forms; a zone is left out, an IPv4-mapped one (RFC 4291 §2.5.5.2) is the IPv4 address it is. */
export function parseIp(text: string): IpAddress | undefined {
  const [plain = ''] = text.split('%');
  const family = isIP(plain);
  if (family === 4) return { family: 4, value: ofParts(plain.split('.').map(Number), 8n) };
  if (family !== 6) return undefined;
  const value = ofParts(groupsOf(plain), 16n);
  return value >> 32n === MAPPED ? { family: 4, value: value & 0xffff_ffffn } : { family: 6, value };
}

/** A network in CIDR form, without host bits. */
export function parseNetwork(text: string): IpNetwork | undefined {
  const [, address = '', digits = ''] = /^([^/%]+)\/(0|[1-9]\d{0,2})$/.exec(text) ?? [];
  const ip = parseIp(address);
  const length = Number(digits);
  if (!ip || (ip.family === 4 && address.includes(':')) || length > BITS[ip.family]) return undefined;
  const network = { ...ip, length };
  return ip.value === startOf(network, ip.value) ? network : undefined;
}

export function isInside(address: IpAddress, network: IpNetwork): boolean {
  return address.family === network.family && startOf(network, address.value) === network.value;
}

/** Whether a list of networks in CIDR form has the address. */
export function isAmong(ip: IpAddress, networks: readonly string[]): boolean {
  return networks.some((text) => {
    const one = parseNetwork(text);
    return one !== undefined && isInside(ip, one);
  });
}

/** Whether every address of the inner network is one of the outer's. */
export function containsNetwork(outer: IpNetwork, inner: IpNetwork): boolean {
  return outer.length <= inner.length && isInside(inner, outer);
}

function startOf({ family, length }: IpNetwork, value: bigint): bigint {
  const hostBits = BigInt(BITS[family] - length);
  return (value >> hostBits) << hostBits;
}

/** The eight groups of a valid IPv6 address. */
function groupsOf(text: string): number[] {
  const dotted = /^(.*:)(\d+)\.(\d+)\.(\d+)\.(\d+)$/.exec(text);
  const [, before = text, ...bytes] = dotted ?? [];
  const [a = 0, b = 0, c = 0, d = 0] = bytes.map(Number);
  const full = dotted ? `${before}${(a * 256 + b).toString(16)}:${(c * 256 + d).toString(16)}` : text;
  const [left = '', right] = full.split('::');
  const head = hexGroups(left);
  if (right === undefined) return head;
  const tail = hexGroups(right);
  return [...head, ...Array.from({ length: 8 - head.length - tail.length }, () => 0), ...tail];
}

function hexGroups(text: string): number[] {
  return text === '' ? [] : text.split(':').map((group) => Number.parseInt(group, 16));
}

function ofParts(parts: readonly number[], bits: bigint): bigint {
  return parts.reduce((value, part) => (value << bits) | BigInt(part), 0n);
}
