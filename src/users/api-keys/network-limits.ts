import { isIP } from 'node:net';
import { type NetworkGrant, type NetworkScope } from '../../platform/context/request-context.js';

interface Network {
  bits: 32 | 128;
  first: bigint;
  length: number;
}

/** A network by its text; undefined when it is none, or has host bits set. */
export function networkOf(text: string): Network | undefined {
  const [, address = '', digits = ''] = /^([0-9a-fA-F.:]+)\/(0|[1-9]\d{0,2})$/.exec(text) ?? [];
  const host = addressOf(address);
  const length = Number(digits);
  if (!host || length > host.bits) return undefined;
  const network = { bits: host.bits, first: masked(host.first, host.bits, length), length };
  return network.first === host.first ? network : undefined;
}

/** Whether an address is in one of the networks. */
export function isInside(address: string, networks: readonly string[]): boolean {
  const host = addressOf(address);
  return host !== undefined && networks.some((text) => covers(networkOf(text), host));
}

/** Whether everything of `inner` is also of `outer`: each pair of VRF and network within one of the other's, as the database asks it. */
export function isWithin(inner: NetworkScope, outer: NetworkScope): boolean {
  return atomsOf(inner).every((a) => atomsOf(outer).some((b) => reaches(b, a)));
}

/** What is in both. */
export function intersection(one: NetworkScope, other: NetworkScope): NetworkScope {
  return one.flatMap((a) =>
    other.flatMap((b): NetworkGrant[] => {
      const vrfIds = common(a.vrfIds, b.vrfIds, (x, y) => (x === y ? x : undefined));
      const networks = common(a.networks, b.networks, narrower);
      return vrfIds?.length === 0 || networks?.length === 0 ? [] : [{ vrfIds, networks }];
    }),
  );
}

function common(
  a: readonly string[] | null,
  b: readonly string[] | null,
  both: (x: string, y: string) => string | undefined,
): readonly string[] | null {
  if (!a || !b) return a ?? b;
  return [...new Set(a.flatMap((x) => b.flatMap((y) => both(x, y) ?? [])))];
}

function narrower(a: string, b: string): string | undefined {
  const [x, y] = [networkOf(a), networkOf(b)];
  return covers(x, y) ? b : covers(y, x) ? a : undefined;
}

interface Atom {
  vrfId: string | null;
  network: string | null;
}

function atomsOf(scope: NetworkScope): Atom[] {
  return scope.flatMap(({ vrfIds, networks }) =>
    (vrfIds ?? [null]).flatMap((vrfId) => (networks ?? [null]).map((network) => ({ vrfId, network }))),
  );
}

function reaches(outer: Atom, inner: Atom): boolean {
  if (outer.vrfId !== null && outer.vrfId !== inner.vrfId) return false;
  return outer.network === null || (inner.network !== null && covers(networkOf(outer.network), networkOf(inner.network)));
}

function covers(outer: Network | undefined, inner: Network | undefined): boolean {
  if (!outer || inner?.bits !== outer.bits || inner.length < outer.length) return false;
  return masked(inner.first, inner.bits, outer.length) === outer.first;
}

function masked(value: bigint, bits: number, length: number): bigint {
  const shift = BigInt(bits - length);
  return (value >> shift) << shift;
}

/** IPv4-mapped IPv6 is no address here: it would be another spelling of one. */
function addressOf(text: string): Network | undefined {
  const family = isIP(text);
  if (family === 4) return { bits: 32, first: text.split('.').reduce((sum, part) => sum * 256n + BigInt(part), 0n), length: 32 };
  if (family !== 6 || /[.%]/.test(text)) return undefined;
  const [head = '', tail] = text.split('::');
  const left = head === '' ? [] : head.split(':');
  const right = tail === undefined || tail === '' ? [] : tail.split(':');
  const groups = [...left, ...Array<string>(8 - left.length - right.length).fill('0'), ...right];
  return { bits: 128, first: groups.reduce((sum, group) => sum * 65_536n + BigInt(`0x${group}`), 0n), length: 128 };
}
