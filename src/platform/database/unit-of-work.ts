import { AsyncLocalStorage } from 'node:async_hooks';
import { createHash } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { Injectable } from '@nestjs/common';
import { type Pool, type PoolClient, type QueryResultRow } from 'pg';
import { DataSource, type EntityManager } from 'typeorm';
import { AppConfig } from '../../config/app-config.js';
import { isConnectionLoss, isRetryable } from './pg-error.js';

class OpenWork {
  readonly beforeCommit: (() => Promise<void>)[] = [];
  readonly afterCommit: (() => void)[] = [];
  private entityManager: EntityManager | undefined;

  constructor(
    readonly client: PoolClient,
    private readonly dataSource: DataSource,
  ) {}

  /** Made when first asked for: hot paths speak SQL and never pay for it. */
  get manager(): EntityManager {
    if (!this.entityManager) {
      const runner = this.dataSource.createQueryRunner();
      // A runner that lives inside our transaction: it must neither take a connection of its own nor begin or commit.
      Object.assign(runner, { databaseConnection: this.client, isTransactionActive: true, transactionDepth: 1 });
      this.entityManager = runner.manager;
    }
    return this.entityManager;
  }
}

type Queryable = Pick<Pool, 'query'>;

const ATTEMPTS = 4;

/**
 * The one way to the database. `run` makes a use case one transaction; `query` and `manager` use the open one, or the pool when none is open.
 * Sequential awaits only inside `run`: a transaction is one connection.
 */
@Injectable()
export class UnitOfWork {
  private readonly open = new AsyncLocalStorage<OpenWork>();
  private readonly names = new Map<string, string>();

  constructor(
    private readonly dataSource: DataSource,
    private readonly config: AppConfig,
  ) {}

  /**
   * Runs work in one transaction; a nested call joins it. A deadlock or serialization failure runs the whole unit again, so `work` must
   * keep its effects in the database (other effects belong in `afterCommit`). Errors of `work` roll everything back and are thrown on.
   */
  async run<T>(work: () => Promise<T>): Promise<T> {
    if (this.open.getStore()) return work();
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.once(work);
      } catch (error) {
        if (attempt === ATTEMPTS || !isRetryable(error)) throw error;
        await delay(Math.random() * 10 * 2 ** attempt);
      }
    }
  }

  /** Runs inside the open transaction, as its last act: what it throws rolls everything back. Throws when none is open. */
  beforeCommit(act: () => Promise<void>): void {
    this.required.beforeCommit.push(act);
  }

  /** Runs once the open transaction has committed; never when it rolls back. Immediately when none is open. */
  afterCommit(effect: () => void): void {
    const open = this.open.getStore();
    if (open) open.afterCommit.push(effect);
    else effect();
  }

  get isOpen(): boolean {
    return this.open.getStore() !== undefined;
  }

  /** Stands for the open transaction: the same object throughout, another one in every other. Throws when none is open. */
  get current(): object {
    return this.required;
  }

  /** The open transaction's manager, or the pool's when none is open. */
  get manager(): EntityManager {
    return this.open.getStore()?.manager ?? this.dataSource.manager;
  }

  /** Rows of one statement, prepared once a connection. A read outside a transaction survives a connection that died idle. */
  async query<T extends QueryResultRow>(sql: string, parameters: readonly unknown[] = []): Promise<T[]> {
    const open = this.open.getStore();
    if (open) return this.send<T>(open.client, sql, parameters);
    try {
      return await this.send<T>(this.pool, sql, parameters);
    } catch (error) {
      if (!isConnectionLoss(error) || !/^\s*(SELECT|WITH)\b/i.test(sql)) throw error;
      return this.send<T>(this.pool, sql, parameters);
    }
  }

  /** Like query(), for what must never be written alone, such as the audit trail. Throws when no unit of work is open. */
  queryInside<T extends QueryResultRow>(sql: string, parameters: readonly unknown[] = []): Promise<T[]> {
    return this.send<T>(this.required.client, sql, parameters);
  }

  /** One connection for work that streams (COPY, cursors), given back afterwards; the open transaction's when there is one. */
  async withClient<T>(work: (client: PoolClient) => Promise<T>): Promise<T> {
    const open = this.open.getStore();
    if (open) return work(open.client);
    const client = await this.pool.connect();
    try {
      return await work(client);
    } finally {
      client.release();
    }
  }

  /** Connections: how many are open, idle, and how many callers wait for one. */
  get poolState(): { total: number; idle: number; waiting: number } {
    const { totalCount, idleCount, waitingCount } = this.pool;
    return { total: totalCount, idle: idleCount, waiting: waitingCount };
  }

  private get required(): OpenWork {
    const open = this.open.getStore();
    if (!open) throw new Error('No unit of work is open: call this inside UnitOfWork.run()');
    return open;
  }

  private async once<T>(work: () => Promise<T>): Promise<T> {
    const client = await this.begin();
    const open = new OpenWork(client, this.dataSource);
    let result: T;
    try {
      result = await this.open.run(open, async () => {
        const done = await work();
        for (const act of open.beforeCommit) await act();
        return done;
      });
      await client.query('COMMIT');
      client.release();
    } catch (error) {
      // A connection that cannot roll back is dead; the server has rolled back for it. What counts is the first error.
      await client.query('ROLLBACK').then(
        () => client.release(),
        (lost: Error) => client.release(lost),
      );
      throw error;
    }
    for (const effect of open.afterCommit) effect();
    return result;
  }

  /** Nothing has happened yet when BEGIN fails, so a connection that was killed while idle is replaced without a word. */
  private async begin(): Promise<PoolClient> {
    for (let attempt = 1; ; attempt++) {
      const client = await this.pool.connect();
      try {
        await client.query('BEGIN');
        return client;
      } catch (error) {
        client.release(error instanceof Error ? error : true);
        if (attempt === ATTEMPTS || !isConnectionLoss(error)) throw error;
      }
    }
  }

  private async send<T extends QueryResultRow>(on: Queryable, sql: string, parameters: readonly unknown[]): Promise<T[]> {
    const query = this.config.database.prepared
      ? { name: this.nameOf(sql), text: sql, values: [...parameters] }
      : { text: sql, values: [...parameters] };
    return (await on.query<T>(query)).rows;
  }

  private nameOf(sql: string): string {
    let name = this.names.get(sql);
    if (name === undefined) {
      name = `c${createHash('sha256').update(sql).digest('base64url').slice(0, 16)}`;
      this.names.set(sql, name);
    }
    return name;
  }

  private get pool(): Pool {
    // The driver's pool is not part of TypeORM's types; named statements and streams need it.
    return (this.dataSource.driver as unknown as { master: Pool }).master;
  }
}
