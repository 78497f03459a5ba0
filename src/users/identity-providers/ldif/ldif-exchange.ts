import { Readable } from 'node:stream';
import { Injectable } from '@nestjs/common';
import { UnitOfWork } from '../../../platform/database/unit-of-work.js';
import { differencesOf, type LdifDifferences } from './ldif-differences.js';
import { entryOfPerson, type LdifPerson } from './ldif-people.js';
import { parseLdif } from './ldif.js';

const BATCH = 500;
const BASE = 'ou=people,dc=cadastre,dc=internal';

/** Accounts as LDIF, out and in (RFC 2849). */
@Injectable()
export class LdifExchange {
  constructor(private readonly work: UnitOfWork) {}

  /** Active accounts, some at a time. */
  export(base = BASE): Readable {
    return Readable.from(this.lines(base), { objectMode: false });
  }

  /** What an import would change. Changes nothing. */
  async preview(ldif: string): Promise<LdifDifferences> {
    const { entries, problems } = parseLdif(ldif);
    const people: LdifPerson[] = [];
    for await (const batch of this.people(false)) people.push(...batch);
    const differences = differencesOf(entries, people);
    return { ...differences, problems: [...problems, ...differences.problems].sort((a, b) => a.line - b.line) };
  }

  private async *lines(base: string): AsyncGenerator<string> {
    yield 'version: 1\n\n';
    for await (const batch of this.people(true)) yield batch.map((person) => entryOfPerson(person, base)).join('');
  }

  private async *people(activeOnly: boolean): AsyncGenerator<LdifPerson[]> {
    let after = '';
    for (;;) {
      const batch = await this.work.query<LdifPerson & { username: string }>(PEOPLE, [after, activeOnly, BATCH]);
      if (batch.length === 0) return;
      yield batch;
      after = batch.at(-1)?.username ?? after;
    }
  }
}

/** The one place that says where an account's POSIX attributes are: with the account itself, or with the first of its identities that has any. */
const PEOPLE = `
  SELECT u.username, u.display_name AS "displayName", u.email, u.active,
         CASE WHEN u.uid_number IS NOT NULL AND u.gid_number IS NOT NULL THEN
                json_build_object('uidNumber', u.uid_number, 'gidNumber', u.gid_number, 'loginShell', u.login_shell, 'homeDirectory', u.home_directory)
              ELSE (SELECT to_json(i.posix) FROM user_identities i WHERE i.user_id = u.id AND i.posix IS NOT NULL ORDER BY i.created_at, i.id LIMIT 1)
         END AS posix
    FROM users u
   WHERE u.username > $1 AND (u.active OR NOT $2)
   ORDER BY u.username
   LIMIT $3`;
