import { Injectable } from '@nestjs/common';
import { UnitOfWork } from '../../platform/database/unit-of-work.js';
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
const UNITS = { day: BASELINE_DAYS, hour: BASELINE_DAYS * 24 } as const;

/** Counts over the log and the tail that is not filed yet. */
@Injectable()
export class StatisticsRepository {
  constructor(private readonly work: UnitOfWork) {}

  async counts(by: Grouping, from: Date, to: Date): Promise<{ events: number; groups: number; items: StatisticsGroupView[] }> {
    const rows = await this.work.query<StatisticsGroupView & { all: number; groups: number }>(
      `SELECT g.key, g.events, (sum(g.events) OVER ())::int AS all, (count(*) OVER ())::int AS groups
         FROM (SELECT ${KEYS[by]} AS key, count(*)::int AS events FROM audit_events e
                WHERE e.occurred_at >= $1 AND e.occurred_at < $2 GROUP BY 1) g
        ORDER BY ${by === 'day' ? 'g.key' : 'g.events DESC, g.key'} LIMIT 1000`,
      [from, to],
    );
    return {
      events: rows[0]?.all ?? 0,
      groups: rows[0]?.groups ?? 0,
      items: rows.map(({ key, events }) => ({ key, events })),
    };
  }

  /** What failed or was denied in seven days, by who and what. */
  async failures(): Promise<FailureView[]> {
    const rows = await this.work.query<Omit<FailureView, 'firstAt' | 'lastAt'> & { firstAt: Date; lastAt: Date }>(
      `SELECT e.actor_id AS "actorId", e.action, e.outcome, count(*)::int AS events, min(e.occurred_at) AS "firstAt", max(e.occurred_at) AS "lastAt"
         FROM audit_events e
        WHERE e.outcome <> 'success' AND e.occurred_at >= now() - interval '7 days'
        GROUP BY e.actor_id, e.action, e.outcome ORDER BY events DESC, e.action, e.actor_id LIMIT 1000`,
    );
    return rows.map((row) => ({ ...row, firstAt: row.firstAt.toISOString(), lastAt: row.lastAt.toISOString() }));
  }

  /**
   * Actors with more events since the day or hour began than mean + 3σ of the days or hours of the 28 days before: mean = Σc / n and
   * σ = √(Σc² / n − mean²) over all n of them (28 or 672), those without events counted as 0.
   */
  async unusualUsage(per: 'day' | 'hour'): Promise<UsageView[]> {
    return this.work.query<UsageView & object>(
      `WITH present AS (SELECT date_trunc($1, now(), 'UTC') AS start),
            busy AS (
              SELECT e.actor_id, count(*)::int AS events FROM audit_events e, present p
               WHERE e.occurred_at >= p.start AND e.actor_id IS NOT NULL GROUP BY e.actor_id HAVING count(*) >= ${LEAST_UNUSUAL}),
            past AS (
              SELECT e.actor_id, count(*)::float8 AS c FROM audit_events e, present p
               WHERE e.occurred_at >= p.start - make_interval(days => ${BASELINE_DAYS}) AND e.occurred_at < p.start
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
                             WHERE e.actor_id = u.actor_id ORDER BY e.id DESC LIMIT 1) l ON true
        WHERE u.events > u.mean + 3 * u.deviation
        ORDER BY u.events - u.mean DESC LIMIT 1000`,
      [per, UNITS[per]],
    );
  }
}
