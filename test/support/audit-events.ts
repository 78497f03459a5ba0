import { Client } from 'pg';
import { actions } from '../../src/audit/catalogue/actions.js';
import { type AuditEventView } from '../../src/audit/log/audit-event.dto.js';
import { type StoredEvent } from '../../src/audit/log/stored-event.js';
import { PersonalReader } from '../../src/audit/personal/personal-reader.js';
import { eventually } from './eventually.js';
import { type TestApp } from './test-app.js';

/** Events as they were written, what is personal opened, whether filed or not, oldest first; `where` speaks of the columns of the view audit_events. */
export async function eventsOf(t: TestApp, where: string, ...parameters: unknown[]): Promise<AuditEventView[]> {
  const rows = await t.sql<StoredEvent>(`SELECT id, payload FROM audit_events WHERE ${where} ORDER BY id`, parameters);
  const events = await t.app.get(PersonalReader).open(rows);
  return events.map(({ payload, opened }) => (opened?.event ?? JSON.parse(payload)) as AuditEventView);
}

/** Waits until every event has its place in the log, which an open transaction anywhere on the database server delays. */
export async function allFiled(t: TestApp): Promise<void> {
  await eventually(async () => (await t.sql('SELECT FROM audit_inbox')).length === 0, 45_000);
}

/** Keeps the filer from its work until it is called. */
export async function holdFiling(t: TestApp): Promise<() => Promise<void>> {
  const holder = new Client(t.database.adminUrl);
  await holder.connect();
  await holder.query('BEGIN; SELECT FROM audit_heads FOR UPDATE');
  return () => holder.end();
}

/** Everything in the trail so far that the catalogue knows is as grave as it says there. */
export async function expectSeveritiesOfCatalogue(t: TestApp): Promise<void> {
  const seen = await t.sql<{ action: string; severity: string }>('SELECT DISTINCT action, severity FROM audit_events');
  const known = seen.filter(({ action }) => Object.hasOwn(actions, action));
  expect(known.length).toBeGreaterThan(3);
  expect(known.filter(({ action, severity }) => !actions[action]?.severities.some((one) => one === severity))).toEqual([]);
}
