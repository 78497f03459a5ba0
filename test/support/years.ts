import { Client } from 'pg';
import { Clock } from '../../src/kernel/clock.js';
import { ArchiveRepository } from '../../src/audit/archive/archive.repository.js';
import { type TestApp } from './test-app.js';
import { type TestDatabase } from './test-database.js';
import { eventually } from './eventually.js';

async function asSuperuser(database: TestDatabase, statement: string): Promise<void> {
  const client = new Client(database.adminUrl);
  await client.connect();
  try {
    await client.query(statement);
  } finally {
    await client.end();
  }
}

/** From now on the trail's own time is so many days ago, and there are tables for it. */
export async function setTrailBack(database: TestDatabase, days: number): Promise<void> {
  await asSuperuser(
    database,
    `CREATE OR REPLACE FUNCTION audit_clock() RETURNS timestamptz LANGUAGE sql VOLATILE PARALLEL SAFE SET search_path = pg_catalog
       AS $$ SELECT clock_timestamp() - interval '${days} days' $$`,
  );
  await asSuperuser(database, 'SELECT audit_ensure_partitions(3)');
}

/** Waits until every month but the present one is closed. */
export async function monthsClosed(t: TestApp): Promise<void> {
  await eventually(async () => {
    const open = await t.sql(
      `SELECT FROM audit_period p WHERE p.state = 'open' AND (p.period + interval '1 month') AT TIME ZONE 'UTC' <= audit_clock()`,
    );
    return open.length === 0;
  }, 30_000);
}

export async function statesOf(t: TestApp, log: string): Promise<string[]> {
  return (await t.app.get(ArchiveRepository).months()).filter((month) => month.log === log).map(({ state }) => state);
}

/** A time that a test moves: the trail's own in the database, and that of the applications that follow it. */
export class TrailTime {
  private ahead = 0;
  private real = false;

  constructor(private readonly database: TestDatabase) {}

  now(): Date {
    return new Date(Date.now() + (this.real ? 0 : this.ahead));
  }

  follow({ app }: TestApp): void {
    app.get(Clock).now = () => this.now();
  }

  /** How far it is from the real time. */
  get aheadMs(): number {
    return this.ahead;
  }

  async goTo(instant: Date): Promise<void> {
    this.ahead = instant.getTime() - Date.now();
    await asSuperuser(
      this.database,
      `CREATE OR REPLACE FUNCTION audit_clock() RETURNS timestamptz LANGUAGE sql VOLATILE PARALLEL SAFE SET search_path = pg_catalog
         AS $$ SELECT clock_timestamp() + interval '${this.ahead} milliseconds' $$`,
    );
  }

  /** What is signed and expires, such as a login, knows the real time alone; the trail in the database stays where it is. */
  async really<T>(work: () => Promise<T>): Promise<T> {
    this.real = true;
    try {
      return await work();
    } finally {
      this.real = false;
    }
  }
}
