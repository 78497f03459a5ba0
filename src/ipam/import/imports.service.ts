import { Injectable } from '@nestjs/common';
import { v7 as uuidv7 } from 'uuid';
import { UnitOfWork } from '../../platform/database/unit-of-work.js';
import { AddressImportRepository } from './address-import.repository.js';
import { type CsvHeader, readCsv } from './csv-file.js';
import { type ImportReport } from './import.dto.js';
import { ImportAudit } from './import-audit.js';
import { type FileKind, fileKinds } from './import-files.js';
import { readLines } from './list-file.js';
import { listedNetwork, stagedRow } from './netbox-rows.js';
import { PoolImportRepository } from './pool-import.repository.js';
import { type StagedRow } from './staged-row.js';
import { StagingRepository } from './staging.repository.js';
import { VrfImportRepository } from './vrf-import.repository.js';

/** Paths of the files of one import. They are read again when the unit of work has to be run again. */
export type ImportFiles = Partial<Record<FileKind, string>>;

export interface RangeList {
  path: string;
  /** Made when it is missing; the default VRF when not named. */
  vrf: string | null;
  kind: 'container' | 'subnet';
}

const BATCH = 2000;
const SHOWN_PROBLEMS = 1000;

/** Carries a rehearsal's answer out of the unit of work that it rolls back. */
class Rehearsed extends Error {
  constructor(readonly report: ImportReport) {
    super('rehearsed');
  }
}

/** Imports what teams already have. What fits goes in, what does not is reported row by row, and nothing stored is overwritten. */
@Injectable()
export class ImportsService {
  constructor(
    private readonly work: UnitOfWork,
    private readonly staging: StagingRepository,
    private readonly vrfs: VrfImportRepository,
    private readonly pools: PoolImportRepository,
    private readonly addresses: AddressImportRepository,
    private readonly audit: ImportAudit,
  ) {}

  /** NetBox's CSV exports. Throws `not_csv`, `column_missing` and `column_twice`, which name the file; then nothing was stored. */
  async netbox(files: ImportFiles, dryRun: boolean): Promise<ImportReport> {
    return this.run(dryRun, async (headers) => {
      for (const kind of fileKinds) {
        const path = files[kind];
        if (path === undefined) continue;
        const records = readCsv(kind, path, (header) => headers.set(kind, header));
        await this.stage(map(records, (record) => stagedRow(kind, record)));
      }
    });
  }

  /** One network a line, each a pool. */
  async ranges({ path, vrf, kind }: RangeList, dryRun: boolean): Promise<ImportReport> {
    return this.run(dryRun, async (headers) => {
      headers.set('prefixes', { present: ['prefix', 'status'], ignored: [] });
      if (vrf !== null) {
        headers.set('vrfs', { present: ['name'], ignored: [] });
        await this.vrfs.stageMissing(vrf);
      }
      await this.stage(map(readLines(path), ({ line, text }) => listedNetwork(line, text, vrf, kind)));
    });
  }

  private async run(dryRun: boolean, stage: (headers: Map<FileKind, CsvHeader>) => Promise<void>): Promise<ImportReport> {
    const id = uuidv7();
    const run = { id, attempt: await this.audit.started(id, dryRun) };
    try {
      return await this.work.run(async () => {
        const headers = new Map<FileKind, CsvHeader>();
        await this.staging.open();
        await stage(headers);
        await this.settle(headers);
        await this.staging.checkAll();
        const report = await this.report(headers, dryRun);
        if (dryRun) throw new Rehearsed(report);
        await this.audit.completed(run, report);
        return report;
      });
    } catch (error) {
      if (!(error instanceof Rehearsed)) {
        await this.audit.failed(run, error);
        throw error;
      }
      await this.audit.previewed(run, error.report);
      return error.report;
    }
  }

  private async stage(rows: AsyncIterable<StagedRow>): Promise<void> {
    let batch: StagedRow[] = [];
    for await (const row of rows) {
      batch.push(row);
      if (batch.length < BATCH) continue;
      await this.staging.add(batch);
      batch = [];
    }
    if (batch.length > 0) await this.staging.add(batch);
  }

  private async settle(headers: Map<FileKind, CsvHeader>): Promise<void> {
    const columns = (kind: FileKind): string[] | undefined => headers.get(kind)?.present;
    await this.staging.hold(columns('vrfs') ? ['vrfs', 'pools'] : ['pools']);
    const [vrfs, prefixes, ranges, addresses] = fileKinds.map(columns);
    if (vrfs) await this.vrfs.settle(vrfs);
    await this.staging.resolveVrfs();
    if (prefixes) await this.pools.settle(prefixes);
    if (ranges) await this.addresses.settleRanges(ranges);
    if (addresses) await this.addresses.settleAddresses(addresses);
  }

  private async report(headers: Map<FileKind, CsvHeader>, dryRun: boolean): Promise<ImportReport> {
    const counts = await this.staging.counts();
    const none = { rows: 0, created: 0, unchanged: 0, differs: 0, refused: 0 };
    const files = fileKinds.flatMap((file) => {
      const header = headers.get(file);
      return header ? [{ file, ...(counts.get(file) ?? none), ignoredColumns: header.ignored }] : [];
    });
    const problemCount = files.reduce((sum, file) => sum + file.differs + file.refused, 0);
    return { dryRun, files, problems: await this.staging.problems(SHOWN_PROBLEMS), problemCount };
  }
}

async function* map<A, B>(items: AsyncIterable<A>, change: (item: A) => B): AsyncGenerator<B> {
  for await (const item of items) yield change(item);
}
