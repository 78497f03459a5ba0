import { setTimeout as delay } from 'node:timers/promises';
import { Injectable } from '@nestjs/common';
import { Client } from 'pg';
import { AppConfig } from '../../config/app-config.js';
import { AppError } from '../../kernel/app-error.js';
import { asPgError } from '../../platform/database/pg-error.js';
import { ArchiveRepository, type Month } from './archive.repository.js';

const MONTHS_AHEAD = 3;
/** For whoever reads the log, and for a verification of it. */
const READERS_MS = 60_000;
const VERIFIER_MS = 3_600_000;
const PAUSE_MS = 200;
/** Rows of these are changed step by step; in the log itself a run leaves none dead. */
const CHANGED = ['audit_archive', 'audit_archive_run'];
const LOCK_NOT_AVAILABLE = '55P03';
const LOCK = `hashtextextended('cadastre audit archive', 0)`;

/**
 * What only the owner of the schema may do, on a connection of its own that no pooler shares: detaching a table while everybody goes on cannot
 * be part of a transaction.
 */
@Injectable()
export class Partitions {
  constructor(
    private readonly config: AppConfig,
    private readonly archive: ArchiveRepository,
  ) {}

  /** Runs work that nobody else runs at the same time, in whatever process. Throws `archive_run_in_progress`. */
  async alone<T>(work: () => Promise<T>): Promise<T> {
    return this.asOwner(async (owner) => {
      // This connection goes past every pooler, and a lock of a transaction would keep one open for hours.
      // eslint-disable-next-line no-restricted-syntax
      const { rows } = await owner.query<{ held: boolean }>(`SELECT pg_try_advisory_lock(${LOCK}) AS held`);
      if (rows[0]?.held !== true) throw AppError.conflict('archive_run_in_progress', 'Another run is archiving the trail.');
      return work();
    });
  }

  /** Tables for what is filed in the coming months. */
  premake(): Promise<void> {
    return this.archive.ensurePartitions(MONTHS_AHEAD);
  }

  /**
   * Takes the table of a month out of the log and puts it aside; goes on where an attempt before was cut off. Waits for a verification that is
   * under way for an hour, and throws `archive_log_in_use` when it is not over then.
   */
  async detach(month: Month): Promise<void> {
    const part = `audit_log_${month.log}_${month.period.slice(0, 4)}_${month.period.slice(5, 7)}`;
    const parent = `audit_log_${month.log}`;
    // Names of ours: no statement of this kind takes parameters.
    if (!/^[a-z]+$/.test(month.log)) throw new Error(`There is no log ${month.log}.`);
    const step = async (owner: Client): Promise<void> => {
      const place = await this.archive.place(month);
      if (place === 'attached') await owner.query(`ALTER TABLE ${parent} DETACH PARTITION ${part} CONCURRENTLY`);
      if (place === 'detaching') await owner.query(`ALTER TABLE ${parent} DETACH PARTITION ${part} FINALIZE`);
      if ((await this.archive.place(month)) === 'alone') await owner.query(`ALTER TABLE ${part} SET SCHEMA audit_trash`);
    };
    await this.unverified(() =>
      this.asOwner(async (owner) => {
        // Whoever comes meanwhile waits behind this: not for long at a time.
        await owner.query(`SET lock_timeout = '2s'`);
        await untilFree(() => step(owner), READERS_MS);
      }),
    );
  }

  /** Dead rows that a run leaves behind are taken away, and what planners and reports know of the log is brought up to date. */
  async tidy(logs: readonly string[]): Promise<void> {
    await this.asOwner(async (owner) => {
      // Whatever somebody has locked is left to autovacuum.
      await owner.query(`VACUUM (ANALYZE, SKIP_LOCKED) ${CHANGED.join(', ')}`);
      for (const log of logs) if (/^[a-z]+$/.test(log)) await owner.query(`ANALYZE audit_log_${log}`);
    });
  }

  /** Runs work while nobody verifies the log: a verification sees tables that come and go, and none may go beneath it. */
  private async unverified(work: () => Promise<void>): Promise<void> {
    await this.asOwner(async (holder) => {
      await holder.query(`SET lock_timeout = '1s'`);
      await untilFree(async () => {
        await holder.query('BEGIN');
        try {
          // Not ACCESS EXCLUSIVE, for which the transaction would get a number, and nothing be sealed until it ends.
          await holder.query('LOCK TABLE audit_detaching IN EXCLUSIVE MODE');
        } catch (error) {
          await holder.query('ROLLBACK');
          throw error;
        }
      }, VERIFIER_MS);
      await work();
    });
  }

  private async asOwner<T>(work: (owner: Client) => Promise<T>): Promise<T> {
    const owner = new Client({ connectionString: this.config.database.directUrl, application_name: 'cadastre audit archive' });
    // What it dies of, its next statement says.
    owner.on('error', () => undefined);
    await owner.connect();
    try {
      return await work(owner);
    } finally {
      await owner.end().catch(() => undefined);
    }
  }
}

/** Tries again while somebody has locked what it needs. */
async function untilFree(attempt: () => Promise<void>, withinMs: number): Promise<void> {
  for (const until = performance.now() + withinMs; ;) {
    try {
      await attempt();
      return;
    } catch (error) {
      if (asPgError(error)?.code !== LOCK_NOT_AVAILABLE) throw error;
      if (performance.now() > until)
        throw new AppError('unavailable', 'archive_log_in_use', 'Somebody has been reading the log for too long.');
    }
    await delay(PAUSE_MS);
  }
}
