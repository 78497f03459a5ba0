import { Injectable } from '@nestjs/common';
import { UnitOfWork } from '../../platform/database/unit-of-work.js';

/** What becomes of one month of one log, and when. */
export interface PeriodFate {
  class: number;
  log: string;
  /** Its first day, as in 2026-11-01. */
  period: string;
  rows: number;
  /** Of the payloads. */
  bytes: number;
  /** When it may be taken out of the database into an archive; null: never. */
  archiveAt: Date | null;
  /** When its archive may be removed for good; null: never. */
  deleteAt: Date | null;
  /** The policies that decide it. */
  policies: string[];
  /** The legal holds that stop all of it. */
  holds: string[];
}

const NEVER = null;
/** Years from the end of the month. */
const RULES: Record<string, { archive: string | null; delete: string | null }> = {
  access: { archive: '3 years', delete: '7 years' },
  ipam: { archive: '3 years', delete: '7 years' },
  governance: { archive: '3 years', delete: '7 years' },
  reads: { archive: '90 days', delete: '90 days' },
  critical: { archive: '3 years', delete: NEVER },
  meta: { archive: NEVER, delete: NEVER },
};

/** When each month that is closed goes: the longest of the rules that touch it. */
@Injectable()
export class PeriodFates {
  constructor(private readonly work: UnitOfWork) {}

  /** Of every closed month, by log and month. */
  async all(): Promise<PeriodFate[]> {
    const rows = await this.work.query<Omit<PeriodFate, 'rows' | 'bytes' | 'policies' | 'holds'> & { rows: string; bytes: string }>(
      `SELECT p.class, h.name AS log, p.period::text AS period, p.rows, p.bytes,
              (p.period + interval '1 month') AT TIME ZONE 'UTC' + (r.rule ->> 'archive')::interval AS "archiveAt",
              (p.period + interval '1 month') AT TIME ZONE 'UTC' + (r.rule ->> 'delete')::interval AS "deleteAt"
         FROM audit_period p JOIN audit_heads h ON h.class = p.class
        CROSS JOIN LATERAL (SELECT $1::jsonb -> h.name AS rule) r
        WHERE p.root IS NOT NULL ORDER BY p.class, p.period`,
      [JSON.stringify(RULES)],
    );
    return rows.map((row) => ({ ...row, rows: Number(row.rows), bytes: Number(row.bytes), policies: [], holds: [] }));
  }
}
