import { containsNetwork, parseNetwork } from '../../kernel/ip-address.js';
import { type NetworkGrant, type NetworkScope } from '../../platform/context/request-context.js';

/**
 * Whether everything of `inner` is also of `outer`: each pair of VRF and network within one of the other's, as the database asks it. Errs on
 * the side of no: two halves that are held one by one do not make the whole.
 */
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
  return covers(a, b) ? b : covers(b, a) ? a : undefined;
}

interface Atom {
  vrfId: string | null;
  network: string | null;
}

/** Null asks for all of them. */
function atomsOf(scope: NetworkScope): Atom[] {
  return scope.flatMap(({ vrfIds, networks }) =>
    (vrfIds ?? [null]).flatMap((vrfId) => (networks ?? [null]).map((network) => ({ vrfId, network }))),
  );
}

function reaches(outer: Atom, inner: Atom): boolean {
  if (outer.vrfId !== null && outer.vrfId !== inner.vrfId) return false;
  return outer.network === null || (inner.network !== null && covers(outer.network, inner.network));
}

function covers(outer: string, inner: string): boolean {
  const [whole, part] = [parseNetwork(outer), parseNetwork(inner)];
  return whole !== undefined && part !== undefined && containsNetwork(whole, part);
}
