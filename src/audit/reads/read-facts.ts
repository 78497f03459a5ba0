import { hash } from 'node:crypto';

/** The page asked for, which is no filter; where a page began is in what it showed. */
const PAGE: Record<string, string | undefined> = { after: undefined, limit: '50', offset: '0' };
const MOST_CHARACTERS = 200;

/** What was asked for: sorted by name, without defaults and cursors. A value that is long is cut. */
export function filtersOf(query: Readonly<Record<string, unknown>>): Record<string, string | string[]> {
  const cut = (value: unknown): string => String(value).slice(0, MOST_CHARACTERS);
  return Object.fromEntries(
    Object.entries(query)
      .filter(([name, value]) => value !== undefined && value !== '' && name !== 'after' && PAGE[name] !== value)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([name, value]) => [name, Array.isArray(value) ? value.map(cut) : cut(value)]),
  );
}

/** How much a list showed and which: never its content. */
export interface Shown {
  count: number;
  first?: string;
  last?: string;
  /** SHA-256 over the ids in the order shown, a line feed behind each; absent for what has no ids. */
  digest?: string;
}

/** The list in an answer: itself, its `items`, or its first member that is one. */
export function shownIn(answer: unknown): Shown {
  const list = listIn(answer);
  const ids = list.flatMap((item) => idOf(item) ?? []);
  if (ids.length === 0 || ids.length !== list.length) return { count: list.length };
  // In one call: a page has fifty, and each call of its own costs more than the hashing.
  const digest = hash('sha256', `${ids.join('\n')}\n`);
  return { count: list.length, first: ids[0] ?? '', last: ids.at(-1) ?? '', digest: `sha256:${digest}` };
}

function listIn(answer: unknown): unknown[] {
  if (Array.isArray(answer)) return answer;
  if (typeof answer !== 'object' || answer === null) return [];
  if ('items' in answer && Array.isArray(answer.items)) return answer.items;
  return Object.values(answer).find((member) => Array.isArray(member)) ?? [];
}

function idOf(item: unknown): string | undefined {
  if (typeof item !== 'object' || item === null) return undefined;
  const id = 'id' in item ? item.id : 'key' in item ? item.key : undefined;
  return typeof id === 'string' ? id : undefined;
}
