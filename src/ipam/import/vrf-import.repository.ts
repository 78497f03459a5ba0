import { Injectable } from '@nestjs/common';
import { actorName } from '../../platform/context/request-context.js';
import { UnitOfWork } from '../../platform/database/unit-of-work.js';

const PENDING = `r.outcome IS NULL AND r.file = 'vrfs'`;

const REPEATED = `
  UPDATE import_rows r SET outcome = 'refused', code = 'duplicate_in_file', detail = 'Line ' || d.first || ' has the same name.'
    FROM (SELECT r.seq, first_value(r.line) OVER w AS first, row_number() OVER w AS n FROM import_rows r WHERE ${PENDING}
          WINDOW w AS (PARTITION BY lower(r.name) ORDER BY r.seq)) d
   WHERE d.seq = r.seq AND d.n > 1`;

/** $1: the columns the file has; what it does not say cannot differ. */
const STORED = `
  UPDATE import_rows r SET outcome = CASE WHEN d.fields = '{}' THEN 'unchanged' ELSE 'differs' END,
         code = CASE WHEN d.fields <> '{}' THEN 'differs' END,
         detail = CASE WHEN d.fields <> '{}' THEN 'The stored VRF has another ' || array_to_string(d.fields, ', ') || '; it stays.' END
    FROM (SELECT r.seq, array_remove(ARRAY[
                   CASE WHEN v.name <> r.name THEN 'spelling of its name' END,
                   CASE WHEN 'rd' = ANY ($1::text[]) AND v.rd IS DISTINCT FROM r.rd THEN 'rd' END,
                   CASE WHEN 'description' = ANY ($1::text[]) AND v.description <> r.description THEN 'description' END], NULL) AS fields
            FROM import_rows r JOIN vrfs v ON lower(v.name) = lower(r.name) WHERE ${PENDING}) d
   WHERE d.seq = r.seq`;

const RD_TAKEN = `
  UPDATE import_rows r SET outcome = 'refused', code = 'vrf_rd_taken', detail = r.rd || ' belongs to the VRF ' || d.owner || '.'
    FROM (SELECT p.seq, p.owner FROM (
            SELECT r.seq, coalesce(v.name, first_value(r.name) OVER w) AS owner, row_number() OVER w AS n, v.id AS stored
              FROM import_rows r LEFT JOIN vrfs v ON v.rd = r.rd WHERE ${PENDING} AND r.rd IS NOT NULL
            WINDOW w AS (PARTITION BY r.rd ORDER BY r.seq)) p WHERE p.stored IS NOT NULL OR p.n > 1) d
   WHERE d.seq = r.seq`;

const INSERT = `
  WITH made AS (
    INSERT INTO vrfs (id, name, rd, description, created_by)
    SELECT r.id, r.name, r.rd, r.description, $1 FROM import_rows r WHERE ${PENDING} ORDER BY r.seq RETURNING id
  )
  UPDATE import_rows r SET outcome = 'created' FROM made WHERE made.id = r.id`;

@Injectable()
export class VrfImportRepository {
  constructor(private readonly work: UnitOfWork) {}

  /** Settles every staged VRF. `columns`: those its file has. */
  async settle(columns: readonly string[]): Promise<void> {
    await this.work.query(REPEATED);
    await this.work.query(STORED, [columns]);
    await this.work.query(RD_TAKEN);
    await this.work.query(INSERT, [actorName()]);
  }

  /** Stages a VRF of this name unless there is one. */
  async stageMissing(name: string): Promise<void> {
    await this.work.query(
      `INSERT INTO import_rows (file, line, value, name, description)
       SELECT 'vrfs', 0, $1, $1, '' WHERE NOT EXISTS (SELECT FROM vrfs v WHERE lower(v.name) = lower($1) OR v.rd = $1)`,
      [name],
    );
  }
}
