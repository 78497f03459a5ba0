import { type Cidr, contains, lastOf, sizeOf, widthOf } from './ip.js';

/** Most networks one split may list. */
export const MAX_SPLIT = 4096;

/** The subnets of one length, lowest first. Callers check that there are at most MAX_SPLIT. */
export function split(network: Cidr, length: number): Cidr[] {
  const step = 1n << BigInt(widthOf(network.family) - length);
  const count = Number(sizeOf(network) / step);
  return Array.from({ length: count }, (_, i) => ({ family: network.family, first: network.first + BigInt(i) * step, length }));
}

/** The fewest networks that cover exactly the same addresses. */
export function merge(networks: readonly Cidr[]): Cidr[] {
  const sorted = [...networks].sort((a, b) => a.family - b.family || compare(a.first, b.first) || a.length - b.length);
  const merged: Cidr[] = [];
  for (const next of sorted) {
    const last = merged.at(-1);
    if (last && contains(last, next)) continue;
    merged.push(next);
    foldPairs(merged);
  }
  return merged;
}

/** What each length of subnet would yield, for a split dialog. */
export function usableHosts(network: Cidr): bigint {
  const size = sizeOf(network);
  if (size <= 2n) return size;
  return network.family === 4 ? size - 2n : size - 1n;
}

/** Two halves of one network at the end of the list become that network, again and again. */
function foldPairs(list: Cidr[]): void {
  for (;;) {
    const upper = list.at(-1);
    const lower = list.at(-2);
    if (!upper || lower?.family !== upper.family || lower.length !== upper.length || lower.length === 0) return;
    const parent: Cidr = { family: lower.family, first: lower.first, length: lower.length - 1 };
    const aligned = lower.first % sizeOf(parent) === 0n;
    if (!aligned || lastOf(lower) + 1n !== upper.first) return;
    list.splice(-2, 2, parent);
  }
}

function compare(a: bigint, b: bigint): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
