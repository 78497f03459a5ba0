import { Injectable } from '@nestjs/common';
import { AppError } from '../../kernel/app-error.js';
import { explainConstraint } from '../../platform/database/pg-error.js';
import { UnitOfWork } from '../../platform/database/unit-of-work.js';
import { type RetainedLog } from '../retention/retention-rule.js';
import { type PlaceLegalHold } from './hold.dto.js';
import { isUuid } from '../../kernel/uuid.js';

/** Who places or releases: the account, also behind a key. */
export interface Party {
  id: string;
  name: string;
}

export interface LegalHold {
  id: string;
  name: string;
  reason: string;
  everything: boolean;
  logs: RetainedLog[] | null;
  resourceType: string | null;
  resourceId: string | null;
  actor: string | null;
  from: Date | null;
  to: Date | null;
  placedAt: Date;
  placedBy: string;
  placedByName: string;
  releasedAt: Date | null;
  releasedBy: string | null;
  releasedByName: string | null;
  releaseReason: string | null;
}

export interface HeldMonth {
  log: string;
  period: string;
  rows: number;
  bytes: number;
  exact: boolean;
  /** Removed for good, or just being removed: the hold came too late for it. */
  gone: boolean;
}

const HOLD = `
  SELECT h.id, h.name, h.reason, h.everything, h.logs, h.resource_type AS "resourceType", h.resource_id AS "resourceId", h.actor_id AS actor,
         h.from_at AS "from", h.to_at AS "to", h.placed_at AS "placedAt", h.placed_by AS "placedBy", h.placed_by_name AS "placedByName",
         h.released_at AS "releasedAt", h.released_by AS "releasedBy", h.released_by_name AS "releasedByName", h.release_reason AS "releaseReason"
    FROM audit_legal_hold h`;
const WHICH = `WHERE ($1::boolean IS NULL OR (h.released_at IS NULL) = $1)`;

explainConstraint('audit_legal_hold_name_unique', () => AppError.conflict('hold_exists', 'There is a hold of this name in force.'));
explainConstraint('audit_legal_hold_says_something', () =>
  AppError.field('/everything', 'hold_says_nothing', 'Say what to hold, or that it is everything, not both.'),
);
explainConstraint('audit_legal_hold_period', () => AppError.field('/to', 'hold_period', 'The period ends before it begins.'));
explainConstraint('audit_legal_hold_four_eyes', () =>
  AppError.conflict('hold_four_eyes', 'Whoever placed a hold cannot release it: somebody else has to.'),
);

/** Legal holds. Whether they touch something, the database's audit_held() says to whoever is about to remove it. */
@Injectable()
export class HoldsRepository {
  constructor(private readonly work: UnitOfWork) {}

  async page(active: boolean | undefined, limit: number, offset: number): Promise<{ items: LegalHold[]; total: number }> {
    const which = active ?? null;
    const items = await this.work.query<LegalHold>(`${HOLD} ${WHICH} ORDER BY h.id DESC LIMIT $2 OFFSET $3`, [which, limit, offset]);
    const [count] = await this.work.query<{ total: number }>(`SELECT count(*)::int AS total FROM audit_legal_hold h ${WHICH}`, [which]);
    return { items, total: count?.total ?? 0 };
  }

  /** Throws `hold_not_found`. */
  async get(id: string): Promise<LegalHold> {
    const [found] = await this.work.query<LegalHold>(`${HOLD} WHERE h.id = $1`, [id]);
    if (!found) throw AppError.notFound('hold', id);
    return found;
  }

  /** As it is now, and until the unit of work ends. Throws `hold_not_found`. */
  async locked(id: string): Promise<LegalHold> {
    await this.work.queryInside('SELECT FROM audit_legal_hold WHERE id = $1 FOR UPDATE', [id]);
    return this.get(id);
  }

  /** Waits for whoever is just removing something, which is over soon. Throws `hold_exists`, `hold_says_nothing` or `hold_period`. */
  async insert(hold: PlaceLegalHold, by: Party): Promise<LegalHold> {
    const { name, reason, everything, logs, resourceType, resourceId, actor, from, to } = hold;
    const said = [logs ?? null, resourceType ?? null, asWritten(resourceId), asWritten(actor), from ?? null, to ?? null];
    const [made] = await this.work.queryInside<{ id: string }>(
      `INSERT INTO audit_legal_hold (name, reason, everything, logs, resource_type, resource_id, actor_id, from_at, to_at, placed_by, placed_by_name)
       VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) RETURNING id`,
      [name, reason, everything ?? false, ...said, by.id, by.name],
    );
    if (!made) throw new Error('INSERT … RETURNING gave no row.');
    return this.get(made.id);
  }

  /** Throws `hold_four_eyes`. */
  async release(id: string, reason: string, by: Party): Promise<LegalHold> {
    await this.work.queryInside(
      `UPDATE audit_legal_hold SET released_at = now(), released_by = $2, released_by_name = $3, release_reason = $4 WHERE id = $1`,
      [id, by.id, by.name, reason],
    );
    return this.get(id);
  }

  /** What a hold touches. Never inside the unit of work that places it: it reads the log, which whoever removes a month has locked. */
  async months(id: string): Promise<HeldMonth[]> {
    const rows = await this.work.query<Omit<HeldMonth, 'rows' | 'bytes'> & { rows: string; bytes: string }>(
      `SELECT m.log, m.period::text AS period, m.rows, m.bytes, m.exact,
              coalesce(a.state IN ('purging', 'purged') OR (a.state = 'dropped' AND a.object_key IS NULL), false) AS gone
         FROM audit_hold_months($1) m
         JOIN audit_heads h ON h.name = m.log
         LEFT JOIN audit_archive a ON a.class = h.class AND a.period = m.period
        ORDER BY h.class, m.period`,
      [id],
    );
    return rows.map((row) => ({ ...row, rows: Number(row.rows), bytes: Number(row.bytes) }));
  }
}

/** An id in capitals is the same id; the trail writes it in small letters. */
function asWritten(id: string | undefined): string | null {
  return (id && isUuid(id) ? id.toLowerCase() : id) ?? null;
}
