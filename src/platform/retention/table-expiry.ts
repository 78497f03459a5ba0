import { type UnitOfWork } from '../database/unit-of-work.js';
import { type Expiry } from './expiries.js';

/** Rows of one table that go by their age. All texts are SQL of the program's own about the row `x`. */
interface ExpiringRows extends Pick<Expiry, 'name' | 'text' | 'days'> {
  table: string;
  /** A row that may go: it ended before $1. */
  where: string;
  /** Whom and what the row is evidence about, as an expression of text[]: a legal hold on one of them keeps it. */
  about?: string;
}

/** Rows that another process is at are left to it. */
export function tableExpiry(work: UnitOfWork, { table, where, about, ...described }: ExpiringRows): Expiry {
  const held = about === undefined ? 'false' : `EXISTS (SELECT FROM unnest(${about}) s (subject) WHERE audit_subject_touched(s.subject))`;
  return {
    ...described,
    count: async (before) => {
      const [row] = await work.query<{ due: number; held: number }>(
        `SELECT (count(*) FILTER (WHERE NOT c.held))::int AS due, (count(*) FILTER (WHERE c.held))::int AS held
           FROM (SELECT ${held} AS held FROM ${table} x WHERE ${where}) c`,
        [before],
      );
      return row ?? { due: 0, held: 0 };
    },
    expire: (before, limit) =>
      work.run(async () => {
        // Nobody places a hold until this is over, and the next statement sees all that were.
        if (about !== undefined) await work.queryInside('SELECT audit_hold_still()');
        const gone = await work.queryInside(
          `DELETE FROM ${table} d
            WHERE d.ctid = ANY (ARRAY (SELECT x.ctid FROM ${table} x WHERE ${where} AND NOT ${held} LIMIT $2 FOR UPDATE SKIP LOCKED))
           RETURNING true AS gone`,
          [before, limit],
        );
        return gone.length;
      }),
  };
}
