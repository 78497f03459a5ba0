import { randomBytes } from 'node:crypto';

const LONGEST = 64;
const SUFFIX = 9;

/** A username of the form accounts have, from whatever a provider calls somebody: of an e-mail address the part before the @. */
export function usernameFrom(claim: string): string {
  const [local = ''] = claim.normalize('NFKD').toLowerCase().split('@');
  const plain = local
    .replaceAll(/\p{Diacritic}/gu, '')
    .replaceAll(/[^a-z0-9._-]+/g, '-')
    .replace(/^[^a-z0-9]+/, '')
    .slice(0, LONGEST);
  return plain === '' ? 'user' : plain;
}

/** Names to try in turn: the wish, the wish with a number, and at last one that nobody has. */
export function* candidates(wish: string): Generator<string> {
  const base = usernameFrom(wish);
  yield base;
  const short = base.slice(0, LONGEST - SUFFIX);
  for (let n = 2; n < 10; n++) yield `${short}-${n}`;
  for (;;) yield `${short}-${randomBytes(4).toString('hex')}`;
}
