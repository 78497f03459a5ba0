import { AsyncLocalStorage } from 'node:async_hooks';
import { createHash } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { Injectable } from '@nestjs/common';
import { type Pool, type PoolClient, type QueryResultRow } from 'pg';
import { DataSource, type EntityManager } from 'typeorm';
import { AppConfig } from '../../config/app-config.js';
import { currentContext } from '../context/request-context.js';
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
const READ = /^\s*(SELECT|WITH)\b/i;
/** Views in the place of the tables, for somebody whose right is limited to some networks; gone with the transaction. */
const LIMIT = `SELECT set_config('search_path', 'scoped, public', true), set_config('cadastre.scope', $1, true)`;
const WRITE = /\b(INSERT|UPDATE|DELETE|MERGE)\b/i;

/**
 * The one way to the database. `run` makes a use case one transaction; `query` uses the open one, or the pool when none is open.
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

  /** The open transaction's manager. Throws when none is open. */
  get manager(): EntityManager {
    return this.required.manager;
  }

  /** Rows of one statement, prepared once a connection. Outside a transaction neither a read nor a write meets a connection that died idle. */
  async query<T extends QueryResultRow>(sql: string, parameters: readonly unknown[] = []): Promise<T[]> {
    const open = this.open.getStore();
    if (open) return this.send<T>(open.client, sql, parameters);
    // Only what reads may be sent twice; a write becomes a transaction, whose BEGIN may. So does what is asked with limited rights.
    if (!READ.test(sql) || WRITE.test(sql) || currentContext()?.scope) return this.run(() => this.query<T>(sql, parameters));
    const { client, answer } = await this.firstOf((c) => this.send<T>(c, sql, parameters));
    giveBack(client);
    return answer;
  }

  /** Like query(), for what must never be written alone, such as the audit trail. Throws when no unit of work is open. */
  queryInside<T extends QueryResultRow>(sql: string, parameters: readonly unknown[] = []): Promise<T[]> {
    return this.send<T>(this.required.client, sql, parameters);
  }

  /**
   * One statement that is a transaction of its own, in one turn to the server and back. Sent once: when its connection is lost, nobody knows
   * whether it was committed. Throws when a unit of work is open.
   */
  async queryAlone<T extends QueryResultRow>(sql: string, parameters: readonly unknown[] = []): Promise<T[]> {
    if (this.isOpen) throw new Error('A unit of work is open: call this outside of UnitOfWork.run()');
    return this.withClient((client) => this.send<T>(client, sql, parameters));
  }

  /** One connection for work that streams (COPY, cursors), given back afterwards; the open transaction's when there is one. */
  async withClient<T>(work: (client: PoolClient) => Promise<T>): Promise<T> {
    const open = this.open.getStore();
    if (open) return work(open.client);
    if (currentContext()?.scope) return this.run(() => work(this.required.client));
    const client = await this.checkOut();
    let result: T;
    try {
      result = await work(client);
    } catch (error) {
      // Nobody knows what is left half done on it, such as a COPY: it goes, and takes that along.
      giveBack(client, error);
      throw error;
    }
    giveBack(client);
    return result;
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
    const { client } = await this.firstOf((c) => c.query('BEGIN'));
    const open = new OpenWork(client, this.dataSource);
    let result: T;
    try {
      result = await this.open.run(open, async () => {
        const scope = currentContext()?.scope;
        if (scope) await client.query(LIMIT, [JSON.stringify(scope)]);
        const done = await work();
        for (const act of open.beforeCommit) await act();
        return done;
      });
      const { command } = await client.query('COMMIT');
      // PostgreSQL answers the COMMIT of a transaction with a failed statement in it by rolling back, and calls that no error.
      if (command !== 'COMMIT') throw new Error('A statement of this unit of work had failed and nobody said so: it was rolled back.');
    } catch (error) {
      // A connection that cannot roll back is dead; the server has rolled back for it. What counts is the first error.
      await client.query('ROLLBACK').then(
        () => {
          giveBack(client);
        },
        (lost: unknown) => {
          giveBack(client, lost);
        },
      );
      throw error;
    }
    giveBack(client);
    for (const effect of open.afterCommit) effect();
    return result;
  }

  /** A connection, and what the first statement on it gave; one that turns out to have died while idle is replaced without a word. */
  private async firstOf<T>(statement: (client: PoolClient) => Promise<T>): Promise<{ client: PoolClient; answer: T }> {
    for (let dead = 0; ; dead++) {
      const client = await this.checkOut();
      try {
        return { client, answer: await statement(client) };
      } catch (error) {
        const lost = isConnectionLoss(error);
        giveBack(client, lost ? error : undefined);
        if (!lost || dead === this.config.database.poolMax) throw error;
      }
    }
  }

  private async checkOut(): Promise<PoolClient> {
    const client = await this.pool.connect();
    client.on('error', saidByTheNextStatement);
    return client;
  }

  private async send<T extends QueryResultRow>(on: Queryable, sql: string, parameters: readonly unknown[]): Promise<T[]> {
    const context = currentContext();
    if (context?.queries !== undefined) context.queries++;
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

/** A connection may die between two statements of its holder; without a listener that would be the end of the process. */
function saidByTheNextStatement(): void {
  // Nothing to do: the statement fails.
}

/** To the pool, or out of the world when it is broken or not at rest. */
function giveBack(client: PoolClient, broken?: unknown): void {
  client.off('error', saidByTheNextStatement);
  if (broken !== undefined) client.release(broken instanceof Error ? broken : true);
  else client.release(client.getTransactionStatus() !== 'I');
}
