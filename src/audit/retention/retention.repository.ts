import { Injectable } from '@nestjs/common';
import { AppError } from '../../kernel/app-error.js';
import { explainConstraint, explainPgError } from '../../platform/database/pg-error.js';
import { UnitOfWork } from '../../platform/database/unit-of-work.js';
import { type PeriodContent, type RetentionPolicy, type RetentionTerms } from './retention-rule.js';

/** A closed month with what it holds. */
export interface CountedMonth {
  class: number;
  log: string;
  period: string;
  endsAt: Date;
  rows: number;
  bytes: number;
  contents: PeriodContent[];
  /** The names of the holds in force that touch it. */
  holds: string[];
}

const POLICY = `
  SELECT p.id, p.name, p.logs, p.resource_types AS "resourceTypes", p.severities, p.regime, p.reason,
         p.archive_after_days AS "archiveAfterDays", p.delete_after_days AS "deleteAfterDays", p.enabled, p.version,
         p.created_at AS "createdAt", p.created_by AS "createdBy", p.updated_at AS "updatedAt"
    FROM audit_retention_policy p`;
const MONTHS = `
  SELECT p.class, l.name AS log, p.period::text AS period, (p.period + interval '1 month') AT TIME ZONE 'UTC' AS "endsAt",
         p.rows, p.bytes,
         coalesce((SELECT jsonb_agg(jsonb_build_object('resourceType', c.resource_type, 'severity', c.severity, 'flags', c.flags,
                                                       'rows', c.rows, 'bytes', c.bytes))
                     FROM audit_period_content c WHERE c.class = p.class AND c.period = p.period), '[]') AS contents,
         ARRAY (SELECT h.name FROM audit_legal_hold h
                 WHERE h.released_at IS NULL AND audit_hold_meets(h, p.class, p.period) ORDER BY h.name) AS holds
    FROM audit_period p JOIN audit_heads l ON l.class = p.class
   WHERE p.root IS NOT NULL ORDER BY p.class, p.period`;

explainConstraint('audit_retention_policy_name_unique', () =>
  AppError.conflict('retention_policy_exists', 'There is a retention policy of this name.'),
);
explainConstraint('audit_retention_policy_order', () =>
  AppError.field('/deleteAfterDays', 'deleted_before_archived', 'What is deleted earlier than it is archived would never be archived.'),
);
for (const rule of ['year', 'at_hand'])
  explainConstraint(`audit_retention_policy_${rule}`, () =>
    AppError.field(
      rule === 'year' ? '/deleteAfterDays' : '/archiveAfterDays',
      'retention_too_short',
      'Events of access, governance and critical are kept for 365 days, the first 90 of them in the database, unless the policy names a regime other than pci and a reason.',
    ),
  );

/** Policies, and the months they are about. */
@Injectable()
export class RetentionRepository {
  constructor(private readonly work: UnitOfWork) {}

  /** By name. */
  policies(): Promise<RetentionPolicy[]> {
    return this.work.query<RetentionPolicy>(`${POLICY} ORDER BY lower(p.name)`);
  }

  /** Throws `retention_policy_not_found`. */
  async policy(id: string): Promise<RetentionPolicy> {
    const [found] = await this.work.query<RetentionPolicy>(`${POLICY} WHERE p.id = $1`, [id]);
    if (!found) throw AppError.notFound('retention_policy', id);
    return found;
  }

  /** As it is now, and until the unit of work ends. Throws `retention_policy_not_found`. */
  async locked(id: string): Promise<RetentionPolicy> {
    await this.work.queryInside('SELECT FROM audit_retention_policy WHERE id = $1 FOR UPDATE', [id]);
    return this.policy(id);
  }

  /** Throws `retention_policy_exists`, `deleted_before_archived` or `retention_too_short`. */
  async insert(terms: RetentionTerms, by: string): Promise<RetentionPolicy> {
    const [made] = await this.work.queryInside<{ id: string }>(
      `INSERT INTO audit_retention_policy (name, logs, resource_types, severities, regime, reason, archive_after_days, delete_after_days, enabled, created_by)
       VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) RETURNING id`,
      [...columnsOf(terms), by],
    );
    if (!made) throw new Error('INSERT … RETURNING gave no row.');
    return this.policy(made.id);
  }

  /** Throws what insert() does. */
  async update(id: string, terms: RetentionTerms): Promise<RetentionPolicy> {
    await this.work.queryInside(
      `UPDATE audit_retention_policy
          SET name = $1, logs = $2, resource_types = $3, severities = $4, regime = $5, reason = $6, archive_after_days = $7,
              delete_after_days = $8, enabled = $9, version = version + 1, updated_at = now()
        WHERE id = $10`,
      [...columnsOf(terms), id],
    );
    return this.policy(id);
  }

  /** Has the database judge a policy, as one more or in the place of another, and leaves nothing. Throws what insert() does. */
  async tryOut(terms: RetentionTerms, replaces: string | undefined): Promise<void> {
    try {
      await this.work.run(async () => {
        await (replaces === undefined ? this.insert(terms, 'preview') : this.update(replaces, terms));
        throw new TriedOut();
      });
    } catch (error) {
      if (!(error instanceof TriedOut)) throw explainPgError(error) ?? error;
    }
  }

  async remove(id: string): Promise<void> {
    await this.work.queryInside('DELETE FROM audit_retention_policy WHERE id = $1', [id]);
  }

  /** Every closed month. Counts those first that nobody has counted, which reads each of them once, whole. */
  async months(): Promise<CountedMonth[]> {
    await this.work.query('SELECT audit_fill_contents()');
    const rows = await this.work.query<Omit<CountedMonth, 'rows' | 'bytes'> & { rows: string; bytes: string }>(MONTHS);
    return rows.map((row) => ({ ...row, rows: Number(row.rows), bytes: Number(row.bytes) }));
  }
}

/** Rolls back what was only tried. */
class TriedOut extends Error {}

function columnsOf(terms: RetentionTerms): unknown[] {
  const { name, logs, resourceTypes, severities, regime, reason, archiveAfterDays, deleteAfterDays, enabled } = terms;
  return [name, logs, resourceTypes, severities, regime, reason, archiveAfterDays, deleteAfterDays, enabled];
}
