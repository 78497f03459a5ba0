import { spawn, spawnSync } from 'node:child_process';
import { createWriteStream } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import path from 'node:path';
import { pipeline } from 'node:stream/promises';
import { type INestApplicationContext } from '@nestjs/common';
import { Pool } from 'pg';
import { to as copyTo } from 'pg-copy-streams';
import { createApp } from '../src/app.setup.js';
import { ArchiveRepository, type Month } from '../src/audit/archive/archive.repository.js';
import { ArchiveSettings } from '../src/audit/archive/archive-settings.js';
import { ArchiveStore } from '../src/audit/archive/archive-store.js';
import { Sealer } from '../src/audit/sealing/sealer.js';
import { loadConfig } from '../src/config/app-config.js';
import { AuditTrail } from '../src/audit/trail/audit-trail.js';
import { UnitOfWork } from '../src/platform/database/unit-of-work.js';
import { zstd } from '../src/platform/storage/codecs/zstd.js';
import { StorageRegistry } from '../src/platform/storage/storage-registry.js';
import { compare } from './measure.js';
import { openStage, type Stage } from './stage.js';

const ROWS = 100_000;
const BATCH = 25_000;
const DAYS_AGO = 1500;
const LEVEL = 3;
const MIB = 2 ** 20;

/** (g) A month into its archive and back: against COPY and zstd, and against zstd -d and a checksum. */
export async function benchArchive(): Promise<void> {
  // A server of its own, where the log's clock is changed.
  const stage = await openStage();
  const app = await createApp(loadConfig({ ...stage.variables, DATABASE_DIRECT_URL: stage.url, CADASTRE_JOBS: 'false' }));
  await app.init();
  const folder = await mkdtemp(path.join(stage.variables.CADASTRE_VAR_DIR ?? '', 'archive-'));
  const pg = new Pool({ connectionString: stage.url, max: 1 });
  try {
    await fillMonth(stage, app);
    const month = (await app.get(ArchiveRepository).months()).find(({ log }) => log === 'ipam');
    if (!month) throw new Error('The month was not closed.');
    await benchUpload(app, pg, month, folder);
    await benchCheck(app, month, folder);
    await sayBytes(stage, app, month);
  } finally {
    await pg.end();
    await app.close();
    await stage.close();
  }
}

/** A closed month of years ago, sealed by the sealer itself. */
async function fillMonth(stage: Stage, app: INestApplicationContext): Promise<void> {
  const sealer = app.get(Sealer);
  const began = performance.now();
  await turnClock(stage, DAYS_AGO);
  const pad = (byte: number): Buffer => Buffer.from(Buffer.concat([stage.auditKey], 64).map((of) => of ^ byte));
  for (let from = 0; from < ROWS; from += BATCH) await stage.sql(EVENTS, [from, Math.min(from + BATCH, ROWS) - 1, pad(0x36), pad(0x5c)]);
  while ((await sealer.turn()) > 0);
  await turnClock(stage, 0);
  await app.get(UnitOfWork).run(() => app.get(AuditTrail).record({ action: 'bench', category: 'ipam' }));
  while ((await sealer.turn()) > 0);
  console.log(`      sealed ${ROWS.toLocaleString('en')} events in ${Math.round((performance.now() - began) / 1000)} s`);
}

async function turnClock(stage: Stage, daysAgo: number): Promise<void> {
  await stage.sql(
    `CREATE OR REPLACE FUNCTION audit_clock() RETURNS timestamptz LANGUAGE sql VOLATILE PARALLEL SAFE SET search_path = pg_catalog
       AS $$ SELECT clock_timestamp() - interval '${daysAgo} days' $$`,
  );
  await stage.sql('SELECT audit_ensure_partitions(1)');
}

async function benchUpload(app: INestApplicationContext, pg: Pool, month: Month, folder: string): Promise<void> {
  const memory = new Memory();
  await compare({
    title: `archiving ${ROWS.toLocaleString('en')} events into a folder, against COPY of the same rows | zstd -${LEVEL}, bytes of payload`,
    aim: 0.8,
    contenders: [
      {
        name: 'archive',
        round: (ms) =>
          memory.during(() => perSecond(month, ms, () => inNewFolder(app, folder, () => app.get(ArchiveStore).upload(month, undefined)))),
      },
      { name: 'COPY | zstd', round: (ms) => perSecond(month, ms, () => copied(pg, month, path.join(folder, 'floor.zst'))) },
    ],
  });
  memory.say('while archiving');
}

async function benchCheck(app: INestApplicationContext, month: Month, folder: string): Promise<void> {
  const where = await mkdtemp(path.join(folder, 'checked-'));
  const settings = app.get(ArchiveSettings);
  settings.store = () => Promise.resolve(localStore(app, where));
  const change = await app.get(ArchiveStore).upload(month, undefined);
  const uploaded: Month = { ...month, objectKey: change.objectKey ?? null, manifestKey: change.manifestKey ?? null };
  const check = (): Promise<void> => app.get(ArchiveStore).check(uploaded, change.manifest ?? '');
  const memory = new Memory();
  const floor = `zstd -dc ${path.join(folder, 'floor.zst')} | sha256sum`;
  const verifying = { name: 'verify', round: (ms: number) => memory.during(() => perSecond(month, ms, check)) };
  if (!hasZstd()) {
    console.log(`      zstd is not installed: nothing to compare with; verify ${Math.round((await verifying.round(0)) / MIB)} MiB/s`);
    return;
  }
  await compare({
    title: 'reading an archive back and proving it, against zstd -d | sha256sum, bytes of payload',
    aim: 0.7,
    contenders: [
      verifying,
      { name: 'zstd -d | sha256sum', round: (ms) => perSecond(month, ms, () => Promise.resolve(void spawnSync('sh', ['-c', floor]))) },
    ],
  });
  memory.say('while verifying');
}

async function sayBytes(stage: Stage, app: INestApplicationContext, month: Month): Promise<void> {
  const table = `audit_log_ipam_${month.period.slice(0, 7).replace('-', '_')}`;
  const [row] = await stage.sql(`SELECT pg_total_relation_size($1::regclass)::text AS bytes`, [table]);
  const { objectBytes = 0 } = await app.get(ArchiveStore).upload(month, undefined);
  const each = (bytes: number): string => (bytes / month.rows).toFixed(0);
  console.log(
    `      ${each(month.bytes)} bytes of payload a row; ${each(Number(row?.bytes))} in the database with its indexes, ${each(objectBytes)} in the archive`,
  );
}

async function inNewFolder<T>(app: INestApplicationContext, folder: string, work: () => Promise<T>): Promise<T> {
  const where = await mkdtemp(path.join(folder, 'round-'));
  app.get(ArchiveSettings).store = () => Promise.resolve(localStore(app, where));
  try {
    return await work();
  } finally {
    await rm(where, { recursive: true });
  }
}

function localStore(app: INestApplicationContext, directory: string): ReturnType<StorageRegistry['open']> {
  // What else a folder needs is nothing.
  return app.get(StorageRegistry).open({ kind: 'local', directory } as { kind: string });
}

/** What the archive keeps of each row, as PostgreSQL writes it, through zstd. */
async function copied(pg: Pool, { class: ofClass, period }: Month, file: string): Promise<void> {
  const client = await pg.connect();
  try {
    const rows = client.query(
      copyTo(
        `COPY (SELECT seq, id, sealed_at, recorded_at, xid, cluster_epoch, emit_mac, payload FROM audit_log
                WHERE class = ${ofClass} AND sealed_at >= '${period} 00:00:00+00' AND sealed_at < '${period} 00:00:00+00'::timestamptz + interval '1 month'
                ORDER BY sealed_at, seq) TO STDOUT`,
      ),
    );
    if (!hasZstd()) {
      await pipeline(zstd.compress(rows, LEVEL), createWriteStream(file));
      return;
    }
    const child = spawn('zstd', [`-${LEVEL}`, '-q', '-f', '-o', file, '-'], { stdio: ['pipe', 'ignore', 'inherit'] });
    const ended = new Promise((resolve) => child.once('close', resolve));
    await pipeline(rows, child.stdin);
    await ended;
  } finally {
    client.release();
  }
}

let zstdProgram: boolean | undefined;
/** Says loudly when the floor is another one. */
function hasZstd(): boolean {
  if (zstdProgram === undefined) {
    zstdProgram = spawnSync('zstd', ['--version']).status === 0;
    if (!zstdProgram) console.log('      *** zstd is not installed: the floor is the library in this process ***');
  }
  return zstdProgram;
}

/** As often as it takes to fill so many milliseconds. */
async function perSecond({ bytes }: Month, ms: number, work: () => Promise<unknown>): Promise<number> {
  const began = performance.now();
  let times = 0;
  do {
    await work();
    times++;
  } while (performance.now() - began < ms);
  return (times * bytes * 1000) / (performance.now() - began);
}

/** What this process holds while something runs, above what it held before. */
class Memory {
  private most = 0;

  async during<T>(work: () => Promise<T>): Promise<T> {
    const before = process.memoryUsage.rss();
    const look = (): void => {
      this.most = Math.max(this.most, process.memoryUsage.rss() - before);
    };
    const timer = setInterval(look, 20);
    try {
      return await work();
    } finally {
      clearInterval(timer);
      look();
    }
  }

  say(when: string): void {
    const aim = 128;
    const mib = Math.round(this.most / MIB);
    console.log(`${mib <= aim ? '  ok ' : ' miss'}  ${mib} MiB (aim ≤ ${aim})  resident ${when}, above what was before`);
  }
}

/** Events of some variety, made by the database, with the MAC of this stage's writer (RFC 2104). */
const EVENTS = `
  WITH named AS MATERIALIZED (
    SELECT n, uuidv7() AS id FROM generate_series($1::int, $2::int) n
  ), said AS MATERIALIZED (
    SELECT id, format('{"action":"allocation.%s","actor":{"id":"%s","kind":"user","name":"operator-%s","sessionId":"%s"},"after":{"addresses":"10.%s.%s.%s/32",'
                      || '"description":"host %s of rack %s","hostname":"web%s.example.net","pool":"%s","status":"active"},"at":"2026-01-01T00:00:00.000Z",'
                      || '"category":"ipam","correlationId":"%s","flags":[],"id":"%s","outcome":"success","request":{"clientIp":"192.0.2.%s","method":"POST",'
                      || '"route":"/api/v1/ipam/allocations","userAgent":"curl/8.5.0"},"resource":{"id":"%s","name":"web%s","type":"allocation"},'
                      || '"severity":"info","v":1}',
                      (ARRAY['created', 'updated', 'released'])[1 + n % 3], md5((n % 50)::text)::uuid, n % 50, md5((n % 400)::text)::uuid, n % 200, n % 251, n % 253,
                      n, n % 40, n, md5((n % 300)::text)::uuid, gen_random_uuid(), id, n % 250, gen_random_uuid(), n) AS payload
      FROM named
  ), hashed AS MATERIALIZED (
    SELECT id, payload, sha256('\\x00'::bytea || convert_to(payload, 'UTF8')) AS leaf FROM said
  )
  INSERT INTO audit_inbox (id, class, payload, leaf, emit_mac)
  SELECT id, 3, payload, leaf, sha256($4::bytea || sha256($3::bytea || leaf)) FROM hashed`;
