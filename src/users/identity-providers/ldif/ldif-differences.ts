import { type LdifPerson } from './ldif-people.js';
import { type LdifEntry, type LdifProblem } from './ldif.js';

interface LdifChange {
  field: string;
  /** What the account has. */
  before: string | null;
  /** What the file says. */
  after: string | null;
}

export interface LdifDifferences {
  /** In the file and not here. */
  missing: { username: string; line: number }[];
  changed: { username: string; line: number; changes: LdifChange[] }[];
  unchanged: number;
  /** Here, active, and not in the file. */
  extra: string[];
  problems: LdifProblem[];
}

const FIELDS = ['displayName', 'email', 'uidNumber', 'gidNumber', 'loginShell', 'homeDirectory'] as const;
type Field = (typeof FIELDS)[number];

/** What an import would change. An attribute that an entry does not have says nothing, so it is no difference. */
export function differencesOf(entries: readonly LdifEntry[], people: readonly LdifPerson[]): LdifDifferences {
  const here = new Map(people.map((person) => [person.username, person]));
  const found: LdifDifferences = { missing: [], changed: [], unchanged: 0, extra: [], problems: [] };
  const named = new Set<string>();
  for (const entry of entries.filter(isPerson)) {
    const username = textOf(entry, 'uid')?.toLowerCase();
    if (username === undefined) found.problems.push({ line: entry.line, detail: 'A person without a uid.' });
    else if (named.has(username)) found.problems.push({ line: entry.line, detail: `The uid ${username} comes twice.` });
    else {
      named.add(username);
      const person = here.get(username);
      const changes = person ? changesOf(entry, person) : [];
      if (!person) found.missing.push({ username, line: entry.line });
      else if (changes.length > 0) found.changed.push({ username, line: entry.line, changes });
      else found.unchanged++;
    }
  }
  found.extra = people.filter(({ username, active }) => active && !named.has(username)).map(({ username }) => username);
  return found;
}

function changesOf(entry: LdifEntry, person: LdifPerson): LdifChange[] {
  const says: Record<Field, string | undefined> = {
    displayName: textOf(entry, 'displayName') ?? textOf(entry, 'cn'),
    email: textOf(entry, 'mail'),
    uidNumber: textOf(entry, 'uidNumber'),
    gidNumber: textOf(entry, 'gidNumber'),
    loginShell: textOf(entry, 'loginShell'),
    homeDirectory: textOf(entry, 'homeDirectory'),
  };
  const has: Record<Field, string | null> = {
    // What an export says of an account without a name is its username.
    displayName: person.displayName.trim() || person.username,
    email: person.email,
    uidNumber: person.posix ? String(person.posix.uidNumber) : null,
    gidNumber: person.posix ? String(person.posix.gidNumber) : null,
    loginShell: person.posix?.loginShell ?? null,
    homeDirectory: person.posix ? (person.posix.homeDirectory ?? `/home/${person.username}`) : null,
  };
  return FIELDS.flatMap((field) => {
    const after = says[field];
    return after === undefined || after === has[field] ? [] : [{ field, before: has[field], after }];
  });
}

const CLASSES = new Set(['person', 'organizationalperson', 'inetorgperson', 'posixaccount', 'user']);

function isPerson({ attributes }: LdifEntry): boolean {
  return attributes.some(
    ({ name, value }) => name.toLowerCase() === 'objectclass' && typeof value === 'string' && CLASSES.has(value.toLowerCase()),
  );
}

function textOf({ attributes }: LdifEntry, name: string): string | undefined {
  const found = attributes.find((attribute) => attribute.name.toLowerCase() === name.toLowerCase())?.value;
  return typeof found === 'string' && found !== '' ? found : undefined;
}
