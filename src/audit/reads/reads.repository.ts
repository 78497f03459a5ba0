import { Injectable } from '@nestjs/common';
import { isConnectionLoss } from '../../platform/database/pg-error.js';
import { UnitOfWork } from '../../platform/database/unit-of-work.js';
import { INBOX_COLUMNS, INBOX_ROWS, type PackedLeaves, parametersOf } from '../trail/inbox-rows.js';

/**
 * A writer holds its lock while it inserts. Whoever puts its events into the database a second time waits for it, or an insert of which nobody
 * knows whether it was committed could be committed behind their back.
 */
const lockOf = (writer: '$1' | '$9'): string => `hashtextextended('cadastre reads ' || ${writer}::text, 0)`;
const LEAVES = `(${INBOX_ROWS}) AS u (${INBOX_COLUMNS})`;

@Injectable()
export class ReadsRepository {
  constructor(private readonly work: UnitOfWork) {}

  /** Events that are in the database for the first time. */
  async insert(writer: string, leaves: PackedLeaves): Promise<void> {
    try {
      await this.work.queryAlone(
        `WITH held AS MATERIALIZED (SELECT pg_advisory_xact_lock(${lockOf('$9')}) AS lock)
         INSERT INTO audit_inbox (${INBOX_COLUMNS})
         SELECT u.* FROM held CROSS JOIN ${LEAVES}`,
        [...parametersOf(leaves), writer],
      );
    } catch (error) {
      // A connection that had died while it was idle, or did over it.
      if (!isConnectionLoss(error)) throw error;
      await this.insertMissing(writer, leaves, () => Promise.resolve());
    }
  }

  /** Those of the events that are not in the database yet. `also` is told how many, and is committed with them. Throws while the writer is at work. */
  async insertMissing(writer: string, leaves: PackedLeaves, also: (inserted: number) => Promise<void>): Promise<void> {
    await this.work.run(async () => {
      // A statement of its own: what comes next must see what was committed before the lock was had.
      const [lock] = await this.work.queryInside<{ had: boolean }>(`SELECT pg_try_advisory_xact_lock(${lockOf('$1')}) AS had`, [writer]);
      if (lock?.had !== true) throw new Error('An insert of the same writer is not decided yet.');
      const rows = await this.work.queryInside(
        `WITH missing AS (
           SELECT u.* FROM ${LEAVES}
            WHERE NOT EXISTS (SELECT FROM audit_inbox i WHERE i.id = u.id)
              AND NOT EXISTS (SELECT FROM audit_log l WHERE l.id = u.id)
         )
         INSERT INTO audit_inbox (${INBOX_COLUMNS}) SELECT m.* FROM missing m
         RETURNING id`,
        parametersOf(leaves),
      );
      await also(rows.length);
    });
  }
}
