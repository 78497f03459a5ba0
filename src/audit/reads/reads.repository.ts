import { Injectable } from '@nestjs/common';
import { UnitOfWork } from '../../platform/database/unit-of-work.js';
import { type Leaf } from '../trail/audit-trail.js';

/**
 * A writer holds its lock while it inserts. Whoever puts its events into the database a second time waits for it, or an insert of which nobody
 * knows whether it was committed could be committed behind their back.
 */
const LOCK = `hashtextextended('cadastre reads ' || $1::text, 0)`;
const COLUMNS = 'id, class, payload, leaf, emit_mac, client_ip, names, salt';
const LEAVES = `unnest($2::uuid[], $3::smallint[], $4::text[], $5::bytea[], $6::bytea[], $7::inet[], $8::text[], $9::bytea[]) AS u (${COLUMNS})`;

@Injectable()
export class ReadsRepository {
  constructor(private readonly work: UnitOfWork) {}

  /** Events that are in the database for the first time. */
  async insert(writer: string, leaves: readonly Leaf[]): Promise<void> {
    await this.work.run(() =>
      this.work.queryInside(
        `WITH held AS MATERIALIZED (SELECT pg_advisory_xact_lock(${LOCK}) AS lock)
         INSERT INTO audit_inbox (${COLUMNS})
         SELECT u.* FROM held CROSS JOIN ${LEAVES}`,
        [writer, ...columnsOf(leaves)],
      ),
    );
  }

  /** Those of the events that are not in the database yet. `also` is told how many, and is committed with them. Throws while the writer is at work. */
  async insertMissing(writer: string, leaves: readonly Leaf[], also: (inserted: number) => Promise<void>): Promise<void> {
    await this.work.run(async () => {
      // A statement of its own: what comes next must see what was committed before the lock was had.
      const [lock] = await this.work.queryInside<{ had: boolean }>(`SELECT pg_try_advisory_xact_lock(${LOCK}) AS had`, [writer]);
      if (lock?.had !== true) throw new Error('An insert of the same writer is not decided yet.');
      const rows = await this.work.queryInside(
        `WITH missing AS (
           SELECT u.* FROM ${LEAVES}
            WHERE $1::text IS NOT NULL AND NOT EXISTS (SELECT FROM audit_inbox i WHERE i.id = u.id)
              AND NOT EXISTS (SELECT FROM audit_log l WHERE l.id = u.id)
         )
         INSERT INTO audit_inbox (${COLUMNS}) SELECT m.* FROM missing m
         RETURNING id`,
        [writer, ...columnsOf(leaves)],
      );
      await also(rows.length);
    });
  }
}

function columnsOf(leaves: readonly Leaf[]): unknown[] {
  return [
    leaves.map((leaf) => leaf.id),
    leaves.map((leaf) => leaf.class),
    leaves.map((leaf) => leaf.payload),
    leaves.map((leaf) => leaf.leaf),
    leaves.map((leaf) => leaf.mac),
    leaves.map((leaf) => leaf.clientIp),
    leaves.map((leaf) => leaf.names),
    leaves.map((leaf) => leaf.salt),
  ];
}
