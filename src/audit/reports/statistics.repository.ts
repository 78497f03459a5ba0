import { Injectable } from '@nestjs/common';
import { UnitOfWork } from '../../platform/database/unit-of-work.js';
import { AuditLogRepository } from '../log/audit-log.repository.js';
import { sealedSince } from '../log/audit-query.js';
import { type FailureView, type Grouping, type StatisticsGroupView, type UsageView } from './statistics.dto.js';

const KEYS: Record<Grouping, string> = {
  action: `e.action`,
  category: `e.category`,
  severity: `e.severity`,
  outcome: `e.outcome`,
  actor: `e.actor_id`,
  day: `to_char(e.occurred_at AT TIME ZONE 'UTC', 'YYYY-MM-DD')`,
};

/** Whoever did less in a day or hour is not looked at: against a baseline of nothing everything would be unusual. */
const LEAST_UNUSUAL = 20;
const BASELINE_DAYS = 28;
const DAY_MS = 86_400_000;
const PER_DAY = { day: 1, hour: 24 } as const;

/** Counts over the log and the tail that is not filed yet. */
@Injectable()
export class StatisticsRepository {
  constructor(
    private readonly work: UnitOfWork,
    private readonly events: AuditLogRepository,
  ) {}

  async counts(by: Grouping, from: Date, to: Date): Promise<{ events: number; groups: number; items: StatisticsGroupView[] }> {
    const parameters: unknown[] = [from, to];
    const rows = await this.work.query<StatisticsGroupView & { all: number; groups: number }>(
      `SELECT g.key, g.events, (sum(g.events) OVER ())::int AS all, (count(*) OVER ())::int AS groups
         FROM (SELECT ${KEYS[by]} AS key, count(*)::int AS events FROM audit_events e
                WHERE e.occurred_at >= $1 AND e.occurred_at < $2 AND ${sealedSince(from, parameters)} GROUP BY 1) g
        ORDER BY ${by === 'day' ? 'g.key' : 'g.events DESC, g.key'} LIMIT 1000`,
      parameters,
    );
    return {
      events: rows[0]?.all ?? 0,
      groups: rows[0]?.groups ?? 0,
      items: rows.map(({ key, events }) => ({ key, events })),
    };
  }

  /** What failed or was denied in seven days, by who and what. That something began, with an outcome that is not known yet, is neither. */
  async failures(): Promise<FailureView[]> {
    const week = new Date((await this.events.now()).getTime() - 7 * DAY_MS);
    const parameters: unknown[] = [week];
    const rows = await this.work.query<Omit<FailureView, 'firstAt' | 'lastAt'> & { firstAt: Date; lastAt: Date }>(
      `SELECT e.actor_id AS "actorId", e.action, e.outcome, count(*)::int AS events, min(e.occurred_at) AS "firstAt", max(e.occurred_at) AS "lastAt"
         FROM audit_events e
        WHERE e.outcome IN ('failure', 'denied') AND e.occurred_at >= $1 AND ${sealedSince(week, parameters)}
        GROUP BY e.actor_id, e.action, e.outcome ORDER BY events DESC, e.action, e.actor_id LIMIT 1000`,
      parameters,
    );
    return rows.map((row) => ({ ...row, firstAt: row.firstAt.toISOString(), lastAt: row.lastAt.toISOString() }));
  }

  /**
   * Actors with more events since the day or hour began than mean + 3σ of the days or hours of the 28 days before: mean = Σc / n and
   * σ = √(Σc² / n − mean²) over all n of them (28 or 672), those without events counted as 0. An
   * attempt and its result are one: attempts do not count.
   */
  async unusualUsage(per: 'day' | 'hour'): Promise<UsageView[]> {
    const now = (await this.events.now()).getTime();
    const began = new Date(now - (now % (DAY_MS / PER_DAY[per])));
    const baseline = new Date(began.getTime() - BASELINE_DAYS * DAY_MS);
    const parameters: unknown[] = [per, BASELINE_DAYS * PER_DAY[per], began, baseline];
    const sealed = sealedSince(began, parameters);
    return this.work.query<UsageView & object>(
      `WITH busy AS (
              SELECT e.actor_id, count(*)::int AS events FROM audit_events e
               WHERE e.occurred_at >= $3 AND ${sealed} AND e.actor_id IS NOT NULL AND e.outcome <> 'unknown'
               GROUP BY e.actor_id HAVING count(*) >= ${LEAST_UNUSUAL}),
            past AS (
              SELECT e.actor_id, count(*)::float8 AS c FROM audit_events e
               WHERE e.occurred_at >= $4 AND ${sealedSince(baseline, parameters)} AND e.occurred_at < $3 AND e.outcome <> 'unknown'
                 AND e.actor_id IN (SELECT b.actor_id FROM busy b)
               GROUP BY e.actor_id, date_trunc($1, e.occurred_at, 'UTC')),
            usual AS (
              SELECT b.actor_id, b.events, coalesce(sum(p.c), 0) / $2 AS mean,
                     sqrt(greatest(coalesce(sum(p.c * p.c), 0) / $2 - (coalesce(sum(p.c), 0) / $2) ^ 2, 0)) AS deviation
                FROM busy b LEFT JOIN past p ON p.actor_id = b.actor_id GROUP BY b.actor_id, b.events)
       SELECT u.actor_id AS "actorId", coalesce(l.actor ->> 'kind', 'unknown') AS "actorKind", coalesce(l.actor ->> 'name', l.known ->> 'actor', l.actor ->> 'id', 'unknown') AS "actorName",
              u.events, u.mean, u.deviation
         FROM usual u
         LEFT JOIN LATERAL (SELECT audit_readable(e.payload) -> 'actor' AS actor,
                                   CASE WHEN pg_input_is_valid(e.names, 'jsonb') THEN e.names::jsonb END AS known FROM audit_events e
                             WHERE e.actor_id = u.actor_id AND ${sealed} ORDER BY e.id DESC LIMIT 1) l ON true
        WHERE u.events > u.mean + 3 * u.deviation
        ORDER BY u.events - u.mean DESC LIMIT 1000`,
      parameters,
    );
  }
}
