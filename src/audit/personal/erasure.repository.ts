import { Injectable } from '@nestjs/common';
import { UnitOfWork } from '../../platform/database/unit-of-work.js';
import { UNTYPED } from '../log/text-query.js';

/** One month of one log. */
export interface Month {
  class: number;
  period: string;
}

/** How many events of a log speak of somebody. */
export interface Spoken {
  log: string;
  /** Encrypted, whether or not the key is still there. */
  encrypted: number;
  /** Of those, how many can still be found by name or address. */
  findable: number;
  /** By or about the account, written without encryption: an erasure leaves them as they are. */
  clear: number;
}

@Injectable()
export class ErasureRepository {
  constructor(private readonly work: UnitOfWork) {}

  /** Whether somebody may still sign in with the account, and whether the law wants what is said of it kept. */
  async standing(subject: string): Promise<{ active: boolean; held: boolean }> {
    const [row] = await this.work.query<{ active: boolean; held: boolean }>(
      'SELECT audit_subject_active($1) AS active, audit_subject_held($1) AS held',
      [subject],
    );
    return row ?? { active: false, held: false };
  }

  /** By log; only what is filed. */
  async spoken(subject: string, kids: readonly string[]): Promise<Spoken[]> {
    return this.work.query<Spoken & object>(
      `WITH encrypted AS (
         SELECT l.class, count(*)::int AS n, count(l.salt)::int AS findable FROM audit_log l
          WHERE audit_words(l.payload, l.names) @@ $2::tsquery GROUP BY l.class
       ), clear AS (
         SELECT l.class, count(*)::int AS n FROM audit_log l
          WHERE (l.actor_id = $1 OR (l.resource_type = 'user' AND l.resource_id = $1)) AND NOT audit_readable(l.payload) ? 'personal'
          GROUP BY l.class
       )
       SELECT h.name AS log, coalesce(e.n, 0) AS encrypted, coalesce(e.findable, 0) AS findable, coalesce(c.n, 0) AS clear
         FROM audit_heads h LEFT JOIN encrypted e ON e.class = h.class LEFT JOIN clear c ON c.class = h.class
        WHERE e.n > 0 OR c.n > 0 ORDER BY h.class`,
      [subject, keysQuery(kids)],
    );
  }

  /** Which of the keys are not destroyed. */
  async readable(kids: readonly string[]): Promise<string[]> {
    const rows = await this.work.query<{ kid: string }>(
      'SELECT k.kid FROM audit_subject_key k WHERE k.kid = ANY ($1::uuid[]) AND k.destroyed_at IS NULL ORDER BY k.kid',
      [kids],
    );
    return rows.map(({ kid }) => kid);
  }

  /** Destroys the keys, in the open unit of work, and returns which were still there. */
  async destroy(subject: string, only: readonly string[] | null, by: string, reason: string): Promise<string[]> {
    const rows = await this.work.queryInside<{ kid: string }>('SELECT audit_destroy_keys($1, $2::uuid[], $3, $4) AS kid', [
      subject,
      only,
      by,
      reason,
    ]);
    return rows.map(({ kid }) => kid);
  }

  /** Waits until nothing is being filed: whatever is filed from then on knows which keys are destroyed. */
  async waitForFiler(): Promise<void> {
    await this.work.run(async () => {
      await this.work.queryInside('SELECT audit_await_filer()');
    });
  }

  /** The months in which something lies beside payloads under these keys, or may: those aside of the log are looked through when it comes to them. */
  async months(kids: readonly string[]): Promise<Month[]> {
    return this.work.query<Month & object>(
      `SELECT DISTINCT l.class, (date_trunc('month', l.sealed_at, 'UTC') AT TIME ZONE 'UTC')::date::text AS period FROM audit_log l
        WHERE audit_words(l.payload, l.names) @@ $1::tsquery AND l.salt IS NOT NULL
       UNION
       SELECT a.class, a.period::text FROM audit_archive a WHERE a.state IN ('detaching', 'detached')
       UNION
       SELECT r.class, r.period::text FROM audit_rehydration r
        ORDER BY 1, 2`,
      [keysQuery(kids)],
    );
  }

  /** Empties so many of the columns of one month, and returns how many it were. */
  async forget(kids: readonly string[], { class: ofClass, period }: Month, most: number): Promise<number> {
    const [row] = await this.work.run(() =>
      this.work.query<{ n: number }>('SELECT audit_forget_names($1::uuid[], $2::smallint, $3::date, $4) AS n', [
        kids,
        ofClass,
        period,
        most,
      ]),
    );
    return row?.n ?? 0;
  }
}

/** For the words of events; nothing has the word that stands for no keys. */
function keysQuery(kids: readonly string[]): string {
  return kids.length === 0 ? `'${UNTYPED}key:'` : kids.map((kid) => `'${UNTYPED}key:${kid}'`).join(' | ');
}
