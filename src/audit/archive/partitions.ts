import { Injectable } from '@nestjs/common';
import { Client } from 'pg';
import { AppConfig } from '../../config/app-config.js';
import { AppError } from '../../kernel/app-error.js';
import { ArchiveRepository, type Month } from './archive.repository.js';

const MONTHS_AHEAD = 3;
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

  /** Takes the table of a month out of the log and puts it aside; goes on where an attempt before was cut off. */
  async detach(month: Month): Promise<void> {
    const part = `audit_log_${month.log}_${month.period.slice(0, 4)}_${month.period.slice(5, 7)}`;
    const parent = `audit_log_${month.log}`;
    // Names of ours: no statement of this kind takes parameters.
    if (!/^[a-z]+$/.test(month.log)) throw new Error(`There is no log ${month.log}.`);
    await this.asOwner(async (owner) => {
      await owner.query(`SET lock_timeout = '2s'`);
      const place = await this.archive.place(month);
      if (place === 'attached') await owner.query(`ALTER TABLE ${parent} DETACH PARTITION ${part} CONCURRENTLY`);
      if (place === 'detaching') await owner.query(`ALTER TABLE ${parent} DETACH PARTITION ${part} FINALIZE`);
      if ((await this.archive.place(month)) === 'alone') await owner.query(`ALTER TABLE ${part} SET SCHEMA audit_trash`);
    });
  }

  /** What planners and reports know of the log is brought up to date. */
  async analyze(logs: readonly string[]): Promise<void> {
    await this.asOwner(async (owner) => {
      for (const log of logs) if (/^[a-z]+$/.test(log)) await owner.query(`ANALYZE audit_log_${log}`);
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
