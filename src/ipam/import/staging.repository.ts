import { Injectable } from '@nestjs/common';
import { UnitOfWork } from '../../platform/database/unit-of-work.js';
import { type FileReport, type RowProblem } from './import.dto.js';
import { type FileKind } from './import-files.js';
import { type StagedRow } from './staged-row.js';

/**
 * The rows of one import, as a table of its own that ends with the transaction. `outcome` is null while a row is still to go in, then
 * created, unchanged, differs or refused; the last two have a code and a sentence.
 */
const TABLE = `
  CREATE TEMPORARY TABLE import_rows (
    seq int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    file text NOT NULL,
    line int NOT NULL,
    value text NOT NULL,
    outcome text,
    code text,
    detail text,
    id uuid NOT NULL DEFAULT uuidv7(),
    vrf text,
    vrf_id uuid,
    name text,
    rd text,
    description text,
    kind text,
    network cidr,
    gateway inet,
    vlan int,
    site text,
    environment text,
    tags text[],
    active boolean,
    cooldown_seconds int,
    address inet,
    last_address inet,
    status text,
    hostname text,
    mac macaddr,
    owner text,
    purpose text,
    held_by uuid,
    parent_id uuid,
    pool_id uuid
  ) ON COMMIT DROP`;

// prettier-ignore
const COLUMNS = ['file', 'line', 'value', 'code', 'detail', 'vrf', 'name', 'rd', 'description', 'kind', 'network', 'gateway', 'vlan', 'site', 'environment',
  'tags', 'active', 'cooldown_seconds', 'address', 'last_address', 'status', 'hostname', 'mac', 'owner', 'purpose'];

const ADD = `
  INSERT INTO import_rows (${COLUMNS.join(', ')}, outcome)
  SELECT ${COLUMNS.map((name) => `r.${name}`).join(', ')}, CASE WHEN r.code IS NOT NULL THEN 'refused' END
    FROM json_populate_recordset(NULL::import_rows, $1) r`;

/** Names and route distinguishers, both ways of writing a VRF; NetBox's tables show "name (rd)", and Global where there is none. */
const RESOLVE_VRFS = `
  UPDATE import_rows r SET vrf_id = k.id
    FROM (SELECT DISTINCT ON (n.name) n.name, n.id FROM (
            SELECT lower(btrim(v.name)) AS name, v.id, 1 AS rank FROM vrfs v
            UNION ALL SELECT lower(v.rd), v.id, 2 FROM vrfs v WHERE v.rd IS NOT NULL
            UNION ALL SELECT lower(v.name || ' (' || v.rd || ')'), v.id, 3 FROM vrfs v WHERE v.rd IS NOT NULL
            UNION ALL SELECT 'global', v.id, 4 FROM vrfs v WHERE v.is_default
            UNION ALL SELECT '', v.id, 5 FROM vrfs v WHERE v.is_default
          ) n ORDER BY n.name, n.rank) k
   WHERE r.outcome IS NULL AND r.file <> 'vrfs' AND k.name = lower(btrim(coalesce(r.vrf, '')))`;
const REFUSE_UNKNOWN_VRFS = `
  UPDATE import_rows r SET outcome = 'refused', code = 'vrf_unknown',
         detail = coalesce('There is no VRF ' || r.vrf || ', neither stored nor among the imported ones.', 'There is no default VRF.')
   WHERE r.outcome IS NULL AND r.file <> 'vrfs' AND r.vrf_id IS NULL`;

type Counts = Omit<FileReport, 'file' | 'ignoredColumns'>;

/** The rows of the import that runs in the open transaction. */
@Injectable()
export class StagingRepository {
  constructor(private readonly work: UnitOfWork) {}

  async open(): Promise<void> {
    await this.work.query(TABLE);
    // Thousands of small functions run here; compiling them costs four times what it saves.
    await this.work.query('SET LOCAL jit = off');
  }

  async add(rows: readonly StagedRow[]): Promise<void> {
    await this.work.query(ADD, [JSON.stringify(rows)]);
  }

  /** Keeps others from changing what the import is about to look at. Readers, and everyone who only allocates, go on. */
  async hold(tables: ('vrfs' | 'pools')[]): Promise<void> {
    for (const table of tables) await this.work.query(`LOCK TABLE ${table} IN SHARE ROW EXCLUSIVE MODE`);
  }

  /** A temporary table has no statistics unless asked for; without them the joins that follow loop over it row by row. */
  private async analyze(): Promise<void> {
    await this.work.query('ANALYZE import_rows');
  }

  async resolveVrfs(): Promise<void> {
    await this.work.query(RESOLVE_VRFS);
    await this.work.query(REFUSE_UNKNOWN_VRFS);
    await this.analyze();
  }

  /** Deferred rules speak now, not when it is committed: a rehearsal must hear them too. */
  async checkAll(): Promise<void> {
    await this.work.query('SET CONSTRAINTS ALL IMMEDIATE');
  }

  async counts(): Promise<Map<FileKind, Counts>> {
    const rows = await this.work.query<{ file: FileKind } & Counts>(`
      SELECT r.file, count(*)::int AS rows, count(*) FILTER (WHERE r.outcome = 'created')::int AS created,
             count(*) FILTER (WHERE r.outcome = 'unchanged')::int AS unchanged, count(*) FILTER (WHERE r.outcome = 'differs')::int AS differs,
             count(*) FILTER (WHERE r.outcome = 'refused')::int AS refused
        FROM import_rows r GROUP BY r.file`);
    return new Map(rows.map(({ file, ...counts }) => [file, counts]));
  }

  /** The first rows that were refused or differ, in the order of the files. */
  async problems(limit: number): Promise<RowProblem[]> {
    return this.work.query<RowProblem & object>(
      `SELECT r.file, r.line, r.code, r.detail, r.value FROM import_rows r WHERE r.outcome IN ('refused', 'differs') ORDER BY r.seq LIMIT $1`,
      [limit],
    );
  }
}
