import { Injectable } from '@nestjs/common';
import { UnitOfWork } from '../../platform/database/unit-of-work.js';

export const rehydrationStates = ['loading', 'ready', 'failed'] as const;

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

  /** For so many days from now, or for as long as somebody wanted before; one that failed is tried again. */
  async ask(month: Key, days: number, requestedBy: string): Promise<Rehydration> {
    await this.work.queryInside(
      `INSERT INTO audit_rehydration AS r (class, period, expires_at, requested_by) VALUES ($1, $2, audit_clock() + make_interval(days => $3), $4)
       ON CONFLICT ON CONSTRAINT audit_rehydration_key DO UPDATE
          SET expires_at = greatest(r.expires_at, EXCLUDED.expires_at), state = CASE r.state WHEN 'ready' THEN 'ready' ELSE 'loading' END, error = NULL`,
      [month.class, month.period, days, requestedBy],
    );
    const asked = await this.of(month);
    if (!asked) throw new Error('A rehydration that was written is not there.');
    return asked;
  }

  /** Until the open unit of work ends, nobody else reads the month back, takes it away or erases in it. */
  async lock({ class: ofClass, period }: Key): Promise<void> {
    await this.work.queryInside('SELECT audit_lock_restored($1::smallint, $2::date)', [ofClass, period]);
  }

  /** The same without waiting; false when somebody else has it. */
  async tryLock({ class: ofClass, period }: Key): Promise<boolean> {
    const [row] = await this.work.queryInside<{ held: boolean }>(
      `SELECT pg_try_advisory_xact_lock(hashtextextended(format('cadastre audit restored %s/%s', $1::smallint, $2::date), 0)) AS held`,
      [ofClass, period],
    );
    return row?.held === true;
  }

  async ready({ class: ofClass, period }: Key, rows: number): Promise<void> {
    await this.work.queryInside(
      `UPDATE audit_rehydration r SET state = 'ready', rows = $3, error = NULL WHERE r.class = $1 AND r.period = $2`,
      [ofClass, period, rows],
    );
  }

  async failed({ class: ofClass, period }: Key, error: string): Promise<void> {
    await this.work.queryInside(
      `UPDATE audit_rehydration r SET state = 'failed', error = $3 WHERE r.class = $1 AND r.period = $2 AND r.state <> 'ready'`,
      [ofClass, period, error],
    );
  }

  /** Its rows with it. */
  async remove({ class: ofClass, period }: Key): Promise<void> {
    await this.work.queryInside('DELETE FROM audit_restored r WHERE r.class = $1 AND r.period = $2', [ofClass, period]);
    await this.work.queryInside('DELETE FROM audit_rehydration r WHERE r.class = $1 AND r.period = $2', [ofClass, period]);
  }

  /** Those whose time is over, and those whose month is in the log again or was removed for good. */
  async over(): Promise<{ log: string; period: string; reason: 'expired' | 'not_archived' }[]> {
    return this.work.query<{ log: string; period: string; reason: 'expired' | 'not_archived' }>(
      `SELECT h.name AS log, r.period::text AS period, CASE WHEN r.expires_at <= audit_clock() THEN 'expired' ELSE 'not_archived' END AS reason
         FROM audit_rehydration r
         JOIN audit_heads h ON h.class = r.class
         LEFT JOIN audit_archive a ON a.class = r.class AND a.period = r.period
        WHERE r.expires_at <= audit_clock() OR coalesce(a.state, 'closed') NOT IN ('detached', 'dropped')
        ORDER BY r.class, r.period`,
    );
  }
}

function exact(row: Row): Rehydration {
  return { ...row, rows: row.rows === null ? null : Number(row.rows) };
}
