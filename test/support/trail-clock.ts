import { type TestApp } from './test-app.js';
import { eventually } from './eventually.js';
import { allSealed, record } from './sealed-log.js';
import { type AuditCategory } from '../../src/audit/trail/audit-event.js';

/** Puts the trail's clock so many days ahead of the real one, with the partitions it needs. */
async function setTrailClock(t: TestApp, days: number): Promise<void> {
  await t.sql(
    `CREATE OR REPLACE FUNCTION audit_clock() RETURNS timestamptz LANGUAGE sql VOLATILE PARALLEL SAFE SET search_path = pg_catalog
       AS $$ SELECT clock_timestamp() + interval '${days} days' $$`,
  );
  await t.sql('SELECT audit_ensure_partitions(3)');
}

/** Goes on to a later day of the trail's clock, and waits until every month before it is closed. */
export async function monthsLater(t: TestApp, days: number, touched: readonly AuditCategory[]): Promise<void> {
  await allSealed(t);
  await setTrailClock(t, days);
  for (const category of touched) await record(t, category, 1);
  await allSealed(t);
  await eventually(
    async () =>
      (await t.sql(`SELECT FROM audit_period WHERE root IS NULL AND (period + interval '1 month') AT TIME ZONE 'UTC' <= audit_clock()`))
        .length === 0,
    30_000,
  );
}
