import { Injectable } from '@nestjs/common';
import { UnitOfWork } from '../../../platform/database/unit-of-work.js';
import { type Baseline } from '../events/alarm-rules.js';
import { type Denial, type Use } from './sightings.js';

const BASELINE_DAYS = 28;

/** Figures of all that have `of` in common: a period's beginning, a route, or nothing. */
export interface Sum {
  of: string;
  requests: number;
  succeeded: number;
  slowestMs: number;
  buckets: number[];
}

const GROUPS = {
  all: `''`,
  route: 'u.route',
  hour: `to_char(u.hour AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:00:00.000"Z"')`,
  day: `to_char(u.hour AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"00:00:00.000"Z"')`,
} as const;

/** The hourly figures of keys. */
@Injectable()
export class UsageRepository {
  constructor(private readonly work: UnitOfWork) {}

  /** In the order of the key, so that two instances that add at once wait for each other instead of dying. */
  async add(uses: readonly Use[]): Promise<void> {
    await this.work.query(
      `INSERT INTO api_key_usage AS u (key_id, hour, route, status_class, address_prefix, n, ms_sum, ms_max, buckets)
       SELECT i."keyId", i.hour, i.route, i."statusClass", i.prefix, i.n, i."msSum", i."msMax", i.buckets
         FROM jsonb_to_recordset($1) i ("keyId" uuid, hour timestamptz, route text, "statusClass" smallint, prefix cidr, n bigint,
                                        "msSum" float8, "msMax" float8, buckets bigint[])
        ORDER BY i."keyId", i.hour, i.route, i."statusClass", i.prefix
       ON CONFLICT ON CONSTRAINT api_key_usage_key DO UPDATE
         SET n = u.n + excluded.n, ms_sum = u.ms_sum + excluded.ms_sum, ms_max = greatest(u.ms_max, excluded.ms_max),
             buckets = ARRAY (SELECT a + b FROM unnest(u.buckets, excluded.buckets) WITH ORDINALITY x (a, b, i) ORDER BY i)`,
      [JSON.stringify(uses)],
    );
  }

  /** Networks that a key with a past never came from. Ask before add(). */
  newNetworks(uses: readonly Use[]): Promise<{ keyId: string; prefix: string }[]> {
    return this.work.query(
      `SELECT DISTINCT i."keyId", i.prefix::text AS prefix
         FROM jsonb_to_recordset($1) i ("keyId" uuid, prefix cidr)
        WHERE EXISTS (SELECT FROM api_key_usage u WHERE u.key_id = i."keyId")
          AND NOT EXISTS (SELECT FROM api_key_usage u WHERE u.key_id = i."keyId" AND u.address_prefix = i.prefix)`,
      [JSON.stringify(uses)],
    );
  }

  /** At most one write a minute and key. Returns the keys that had lain unused for longer than so many hours. */
  async noteLastUse(uses: readonly Use[], dormantHours: number): Promise<{ keyId: string; hours: number }[]> {
    const noted = await this.work.query<{ keyId: string; hours: number }>(
      `WITH latest AS (
         SELECT DISTINCT ON (i."keyId") i."keyId", i."lastAt", i.address
           FROM jsonb_to_recordset($1) i ("keyId" uuid, "lastAt" timestamptz, address text)
          ORDER BY i."keyId", i."lastAt" DESC),
       locked AS (
         SELECT k.id, coalesce(k.last_used_at, k.issued_at) AS before FROM api_keys k JOIN latest l ON l."keyId" = k.id
          WHERE k.last_used_at IS NULL OR k.last_used_at < l."lastAt" - interval '1 minute'
          ORDER BY k.id FOR NO KEY UPDATE OF k)
       UPDATE api_keys k SET last_used_at = l."lastAt", last_used_address = nullif(l.address, '')::inet
         FROM locked JOIN latest l ON l."keyId" = locked.id
        WHERE k.id = locked.id
       RETURNING k.id AS "keyId", extract(epoch FROM l."lastAt" - locked.before)::float8 / 3600 AS hours`,
      [JSON.stringify(uses)],
    );
    return noted.filter(({ hours }) => hours > dormantHours);
  }

  /** What these keys did in these hours, at all instances together. */
  hoursOf(uses: readonly Use[]): Promise<{ keyId: string; hour: Date; n: number }[]> {
    return this.work.query(
      `SELECT u.key_id AS "keyId", u.hour, sum(u.n)::float8 AS n
         FROM api_key_usage u
         JOIN (SELECT DISTINCT "keyId", hour FROM jsonb_to_recordset($1) i ("keyId" uuid, hour timestamptz)) i
           ON i."keyId" = u.key_id AND i.hour = u.hour
        GROUP BY u.key_id, u.hour`,
      [JSON.stringify(uses)],
    );
  }

  async baselineOf(keyId: string, before: Date): Promise<Baseline> {
    const [row] = await this.work.query<Baseline>(
      `SELECT count(*)::float8 AS hours, coalesce(avg(h.n), 0)::float8 AS mean, coalesce(stddev_pop(h.n), 0)::float8 AS deviation
         FROM (SELECT sum(u.n) AS n FROM api_key_usage u
                WHERE u.key_id = $1 AND u.hour < $2 AND u.hour >= $2::timestamptz - make_interval(days => $3) GROUP BY u.hour) h`,
      [keyId, before, BASELINE_DAYS],
    );
    return row ?? { hours: 0, mean: 0, deviation: 0 };
  }

  async addDenials(denials: readonly Denial[]): Promise<void> {
    await this.work.query(
      `INSERT INTO api_key_denials AS d (key_id, kind, minute, n)
       SELECT i."keyId", i.kind, i.minute, i.n
         FROM jsonb_to_recordset($1) i ("keyId" uuid, kind text, minute timestamptz, n bigint) ORDER BY i."keyId", i.kind, i.minute
       ON CONFLICT ON CONSTRAINT api_key_denials_key DO UPDATE SET n = d.n + excluded.n`,
      [JSON.stringify(denials)],
    );
  }

  /** Of these keys, those that were refused so often in the last ten minutes, at all instances together. */
  bursts(denials: readonly Denial[], least: number): Promise<{ keyId: string; kind: Denial['kind']; n: number }[]> {
    return this.work.query(
      `SELECT d.key_id AS "keyId", d.kind, sum(d.n)::float8 AS n
         FROM api_key_denials d
        WHERE d.key_id = ANY ($1::uuid[]) AND d.minute > now() - interval '10 minutes'
        GROUP BY d.key_id, d.kind HAVING sum(d.n) >= $2
        ORDER BY d.key_id, d.kind`,
      [denials.map(({ keyId }) => keyId), least],
    );
  }

  /** Hours that begin in the period, added up. */
  sums(keyId: string, from: Date, to: Date, by: keyof typeof GROUPS): Promise<Sum[]> {
    return this.work.query<Sum>(
      `WITH rows AS (
         SELECT ${GROUPS[by]} AS of, u.status_class, u.n, u.ms_max, u.buckets FROM api_key_usage u
          WHERE u.key_id = $1 AND u.hour >= date_trunc('hour', $2::timestamptz) AND u.hour < $3),
       counted AS (
         SELECT of, array_agg(n ORDER BY i) AS buckets
           FROM (SELECT r.of, b.i, sum(b.n)::float8 AS n FROM rows r, unnest(r.buckets) WITH ORDINALITY b (n, i) GROUP BY r.of, b.i) each
          GROUP BY of)
       SELECT r.of, sum(r.n)::float8 AS requests, coalesce(sum(r.n) FILTER (WHERE r.status_class < 4), 0)::float8 AS succeeded,
              max(r.ms_max) AS "slowestMs", c.buckets
         FROM rows r JOIN counted c ON c.of = r.of
        GROUP BY r.of, c.buckets ORDER BY r.of`,
      [keyId, from, to],
    );
  }

  /** Events of a key that are not resolved, by how grave they are. */
  async openEvents(keyId: string): Promise<{ openHigh: number; openMedium: number }> {
    const [row] = await this.work.query<{ openHigh: number; openMedium: number }>(
      `SELECT count(*) FILTER (WHERE severity IN ('high', 'critical'))::int AS "openHigh",
              count(*) FILTER (WHERE severity = 'medium')::int AS "openMedium"
         FROM security_events WHERE key_id = $1 AND state <> 'resolved'`,
      [keyId],
    );
    return row ?? { openHigh: 0, openMedium: 0 };
  }
}
