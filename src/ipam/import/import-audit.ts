import { Injectable } from '@nestjs/common';
import { AuditTrail } from '../../audit/trail/audit-trail.js';
import { AppError } from '../../kernel/app-error.js';
import { UnitOfWork } from '../../platform/database/unit-of-work.js';
import { type ImportReport } from './import.dto.js';
import { type FileKind } from './import-files.js';

const BATCH = 2000;

/** The rows that were made, as the services record theirs. */
const MADE: Record<FileKind, { type: string; sql: string }> = {
  vrfs: {
    type: 'vrf',
    sql: `SELECT v.id, v.name AS label, json_build_object('id', v.id, 'name', v.name, 'rd', v.rd, 'description', v.description,
                 'isDefault', v.is_default, 'createdAt', to_char(v.created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'),
                 'createdBy', v.created_by) AS after
            FROM import_rows r JOIN vrfs v ON v.id = r.id`,
  },
  prefixes: {
    type: 'pool',
    sql: `SELECT p.id, p.network::text AS label, json_build_object('kind', p.kind, 'name', p.name, 'network', p.network,
                 'gateway', host(p.gateway), 'vlan', p.vlan, 'site', p.site, 'environment', p.environment, 'tags', p.tags,
                 'description', p.description, 'active', p.active, 'cooldownSeconds', p.cooldown_seconds, 'vrfId', p.vrf_id) AS after
            FROM import_rows r JOIN pools p ON p.id = r.id`,
  },
  ranges: { type: 'allocation', sql: allocations() },
  addresses: { type: 'allocation', sql: allocations() },
};

function allocations(): string {
  return `
    SELECT a.id, host(a.address) || CASE WHEN a.address <> a.last_address THEN '-' || host(a.last_address) ELSE '' END AS label,
           json_build_object('vrfId', a.vrf_id, 'poolId', a.pool_id, 'address', host(a.address), 'lastAddress', host(a.last_address), 'status', a.status,
             'hostname', a.hostname, 'mac', a.mac, 'owner', a.owner, 'purpose', a.purpose, 'description', a.description) AS after
      FROM import_rows r JOIN allocations a ON a.id = r.id`;
}

interface Made {
  id: string;
  label: string;
  after: object;
}

/** An import, and the event that says it began. */
export interface ImportRun {
  id: string;
  attempt: string;
}

/** One event for every object an import made, and two for the run: that it began and what became of it. */
@Injectable()
export class ImportAudit {
  constructor(
    private readonly work: UnitOfWork,
    private readonly trail: AuditTrail,
  ) {}

  /** Committed before anything is read of the files, whatever becomes of them; returns what the result names as its attempt. */
  async started(importId: string, dryRun: boolean): Promise<string> {
    return this.trail.attempt({
      action: 'import.started',
      category: 'ipam',
      resource: { type: 'import', id: importId },
      detail: { dryRun },
    });
  }

  async completed(run: ImportRun, report: ImportReport): Promise<void> {
    for (const { file } of report.files) await this.objects(file);
    await this.trail.record(runEvent('import.completed', run, report));
  }

  /** Looking is recorded too: a rehearsal shows what is stored. */
  async previewed(run: ImportRun, report: ImportReport): Promise<void> {
    await this.trail.recordAlone(runEvent('import.previewed', run, report));
  }

  /** Nothing was stored. */
  async failed({ id, attempt }: ImportRun, error: unknown): Promise<void> {
    const code = error instanceof AppError ? error.code : 'internal_error';
    await this.trail.recordAlone({
      action: 'import.failed',
      category: 'ipam',
      severity: 'low',
      outcome: 'failure',
      resource: { type: 'import', id },
      detail: { attempt, code },
    });
  }

  private async objects(file: FileKind): Promise<void> {
    const { type, sql } = MADE[file];
    // One pass with a cursor: a page at a time would join all rows for every page.
    await this.work.withClient(async (client) => {
      await client.query(
        `DECLARE import_made NO SCROLL CURSOR FOR ${sql} WHERE r.file = ${client.escapeLiteral(file)} AND r.outcome = 'created' ORDER BY r.seq`,
      );
      for (;;) {
        const { rows } = await client.query<Made>(`FETCH ${BATCH} FROM import_made`);
        if (rows.length === 0) break;
        for (const { id, label, after } of rows)
          await this.trail.record({ action: `${type}.created`, category: 'ipam', resource: { type, id, name: label }, after });
      }
      await client.query('CLOSE import_made');
    });
  }
}

function runEvent(action: string, { id, attempt }: ImportRun, { files, problemCount }: ImportReport): Parameters<AuditTrail['record']>[0] {
  return { action, category: 'ipam', severity: 'low', resource: { type: 'import', id }, detail: { attempt, files, problemCount } };
}
