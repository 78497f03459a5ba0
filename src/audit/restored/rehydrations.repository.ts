import { Injectable } from '@nestjs/common';
import { UnitOfWork } from '../../platform/database/unit-of-work.js';

export const rehydrationStates = ['loading', 'ready', 'failed', 'ending'] as const;

/** An archived month that is back in the database for a while, or was asked for. */
export interface Rehydration {
  log: string;
  period: string;
  state: (typeof rehydrationStates)[number];
  expiresAt: Date;
  /** When it is ready. */
  rows: number | null;
  error: string | null;
  requestedBy: string;
}

interface Key {
  class: number;
  period: string;
}

type Row = Omit<Rehydration, 'rows'> & { rows: string | null };

const COLUMNS = `h.name AS log, r.period::text AS period, r.state, r.expires_at AS "expiresAt", r.rows, r.error, r.requested_by AS "requestedBy"`;
const REHYDRATION = `SELECT ${COLUMNS} FROM audit_rehydration r JOIN audit_heads h ON h.class = r.class`;

/** How long nothing is heard of somebody who reads a month back before somebody else may do it: many times what a batch takes. */
const LEASE = '1 minute';

/** Which months are back, and until when. */
@Injectable()
export class RehydrationsRepository {
  constructor(private readonly work: UnitOfWork) {}

  async all(): Promise<Rehydration[]> {
    return (await this.work.query<Row>(`${REHYDRATION} ORDER BY r.class, r.period`)).map(exact);
  }

  async of({ class: ofClass, period }: Key): Promise<Rehydration | undefined> {
    const [row] = await this.work.query<Row>(`${REHYDRATION} WHERE r.class = $1 AND r.period = $2`, [ofClass, period]);
    return row && exact(row);
  }

  /**
   * For so many days from now, or for as long as somebody wanted before. One that failed is tried again, and one that is being taken away is
   * wanted anew; one that is being read back just now is left to whoever does.
   */
  async ask(month: Key, days: number, requestedBy: string): Promise<Rehydration> {
    await this.work.queryInside(
      `INSERT INTO audit_rehydration AS r (class, period, expires_at, requested_by) VALUES ($1, $2, audit_clock() + make_interval(days => $3), $4)
       ON CONFLICT ON CONSTRAINT audit_rehydration_key DO UPDATE
          SET expires_at = CASE r.state WHEN 'ending' THEN EXCLUDED.expires_at ELSE greatest(r.expires_at, EXCLUDED.expires_at) END,
              requested_by = CASE r.state WHEN 'ending' THEN EXCLUDED.requested_by ELSE r.requested_by END,
              attempt = r.attempt + (r.state IN ('failed', 'ending'))::int,
              state = CASE r.state WHEN 'ready' THEN 'ready' ELSE 'loading' END,
              error = NULL`,
      [month.class, month.period, days, requestedBy],
    );
    const asked = await this.of(month);
    if (!asked) throw new Error('A rehydration that was written is not there.');
    return asked;
  }

  /** The number of a new attempt at reading the month back; undefined when it is not wanted, or while somebody is at it who shows life. */
  async begin({ class: ofClass, period }: Key): Promise<number | undefined> {
    const [row] = await this.work.query<{ attempt: number }>(
      `UPDATE audit_rehydration r
          SET attempt = r.attempt + 1, state = 'loading', error = NULL, lease_until = audit_clock() + interval '${LEASE}'
        WHERE r.class = $1 AND r.period = $2 AND r.state IN ('loading', 'failed') AND coalesce(r.lease_until <= audit_clock(), true)
        RETURNING r.attempt`,
      [ofClass, period],
    );
    return row?.attempt;
  }

  /**
   * Until the open unit of work ends, nobody else writes to the month, takes it away or erases in it. False when the attempt is not the newest
   * any more: it may do nothing then. Whoever reads the month back shows life by this.
   */
  async hold({ class: ofClass, period }: Key, attempt: number): Promise<boolean> {
    // Before the row, as everywhere: an erasure takes the one and then the events.
    await this.work.queryInside('SELECT audit_lock_restored($1::smallint, $2::date)', [ofClass, period]);
    const rows = await this.work.queryInside(
      `UPDATE audit_rehydration r SET lease_until = CASE r.state WHEN 'loading' THEN audit_clock() + interval '${LEASE}' END
        WHERE r.class = $1 AND r.period = $2 AND r.attempt = $3
        RETURNING r.attempt`,
      [ofClass, period, attempt],
    );
    return rows.length > 0;
  }

  /** All of it is there and proven. Whoever calls it holds the month. */
  async ready({ class: ofClass, period }: Key, rows: number): Promise<void> {
    await this.work.queryInside(
      `UPDATE audit_rehydration r SET state = 'ready', rows = $3, lease_until = NULL WHERE r.class = $1 AND r.period = $2`,
      [ofClass, period, rows],
    );
  }

  /** False when the attempt is not the newest any more. */
  async failed({ class: ofClass, period }: Key, attempt: number, error: string): Promise<boolean> {
    const rows = await this.work.queryInside(
      `UPDATE audit_rehydration r SET state = 'failed', error = $4, lease_until = NULL
        WHERE r.class = $1 AND r.period = $2 AND r.attempt = $3 AND r.state = 'loading'
        RETURNING r.attempt`,
      [ofClass, period, attempt, error],
    );
    return rows.length > 0;
  }

  /** Somebody else may go on at once. */
  async release({ class: ofClass, period }: Key, attempt: number): Promise<void> {
    await this.work.query('UPDATE audit_rehydration r SET lease_until = NULL WHERE r.class = $1 AND r.period = $2 AND r.attempt = $3', [
      ofClass,
      period,
      attempt,
    ]);
  }

  /** From now on nobody sees it, and whoever was reading it back may not go on. Undefined when it is not there; `began` when it was not ending. */
  async endNow({ class: ofClass, period }: Key): Promise<{ attempt: number; began: boolean; rows: number | null } | undefined> {
    const [row] = await this.work.queryInside<{ attempt: number; began: boolean; rows: string | null }>(
      `UPDATE audit_rehydration r
          SET state = 'ending', rows = NULL, error = NULL, lease_until = NULL, attempt = r.attempt + (r.state <> 'ending')::int
        WHERE r.class = $1 AND r.period = $2
        RETURNING new.attempt, old.state <> 'ending' AS began, old.rows`,
      [ofClass, period],
    );
    return row && exact(row);
  }

  /** Its events are gone. */
  async gone({ class: ofClass, period }: Key): Promise<void> {
    await this.work.queryInside('DELETE FROM audit_rehydration r WHERE r.class = $1 AND r.period = $2', [ofClass, period]);
  }

  /** Those whose time is over, those that somebody began to take away, and those whose month is in the log again or was removed for good. */
  async over(): Promise<{ log: string; period: string; reason: 'expired' | 'not_archived' }[]> {
    return this.work.query<{ log: string; period: string; reason: 'expired' | 'not_archived' }>(
      `SELECT h.name AS log, r.period::text AS period, CASE WHEN r.expires_at <= audit_clock() THEN 'expired' ELSE 'not_archived' END AS reason
         FROM audit_rehydration r
         JOIN audit_heads h ON h.class = r.class
         LEFT JOIN audit_archive a ON a.class = r.class AND a.period = r.period
        WHERE r.expires_at <= audit_clock() OR r.state = 'ending' OR coalesce(a.state, 'closed') NOT IN ('detached', 'dropped')
        ORDER BY r.class, r.period`,
    );
  }
}

function exact<T extends { rows: string | null }>(row: T): Omit<T, 'rows'> & { rows: number | null } {
  return { ...row, rows: row.rows === null ? null : Number(row.rows) };
}
