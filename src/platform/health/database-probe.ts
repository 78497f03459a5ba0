import { setTimeout as delay } from 'node:timers/promises';
import { Injectable } from '@nestjs/common';
import { type Pool } from 'pg';
import { DataSource } from 'typeorm';
import { asPgError } from '../database/pg-error.js';
import { type HealthChecks } from './health.dto.js';

const DEADLINE_MS = 1500;
const UNDEFINED_TABLE = '42P01';

/** Asks the database, through the pool that serves requests, whether it answers in time and has every migration. */
@Injectable()
export class DatabaseProbe {
  constructor(private readonly dataSource: DataSource) {}

  /** Never throws, and never takes longer than 1.5 s, whether the database is gone or hangs. */
  async check(): Promise<HealthChecks> {
    const began = performance.now();
    const done = new AbortController();
    const late = delay(DEADLINE_MS, undefined, { signal: done.signal }).catch(() => undefined);
    const applied = await Promise.race([this.applied().catch(() => undefined), late]);
    done.abort();
    const ms = Math.round(performance.now() - began);
    if (!applied) return { database: { status: 'down', ms }, migrations: { status: 'unknown', pending: null } };
    const pending = this.dataSource.migrations.filter((m) => !applied.has(m.name ?? m.constructor.name)).length;
    return { database: { status: 'up', ms }, migrations: { status: pending === 0 ? 'applied' : 'pending', pending } };
  }

  private async applied(): Promise<Set<string>> {
    try {
      // With a time-out of its own the pool throws a connection that hangs away; without, each probe of a hanging database would keep one.
      const query = { text: 'SELECT name FROM migrations', query_timeout: DEADLINE_MS };
      const { rows } = await this.pool.query<{ name: string }>(query);
      return new Set(rows.map(({ name }) => name));
    } catch (error) {
      if (asPgError(error)?.code === UNDEFINED_TABLE) return new Set();
      throw error;
    }
  }

  private get pool(): Pool {
    // The driver's pool is not part of TypeORM's types; only it knows a time-out for one statement.
    return (this.dataSource.driver as unknown as { master: Pool }).master;
  }
}
