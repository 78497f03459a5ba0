import { createHash, hash, randomBytes } from 'node:crypto';
import { pipeline } from 'node:stream/promises';
import { Client, Pool } from 'pg';
import { to as copyTo } from 'pg-copy-streams';
import { v7 as uuidv7 } from 'uuid';
import { createApp } from '../src/app.setup.js';
import { Sealer } from '../src/audit/sealing/sealer.js';
import { COPIED_COLUMNS } from '../src/audit/verification/copied-row.js';
import { Verifier } from '../src/audit/verification/verifier.js';
import { loadConfig } from '../src/config/app-config.js';
import { compare } from './measure.js';
import { openStage, seedPool, type Stage } from './stage.js';
import { LEAF, macOf, PAYLOAD, raw } from './writes.js';

const BATCH = 5000;
/** Enough for a round. */
const READY = 30_000;

/** (e) Sealing against inserting, verifying against hashing, and what both cost those who write. */
export async function benchSealing(audited: Stage): Promise<void> {
  await benchWriters(audited);
  // A server of its own: no other sealer is at work there.
  const stage = await openStage();
  try {
    await benchSealer(stage);
  } finally {
    await stage.close();
  }
}

async function benchSealer(stage: Stage): Promise<void> {
  const app = await createApp(loadConfig({ ...stage.variables, CADASTRE_JOBS: 'false' }));
  await app.init();
  const sealer = app.get(Sealer);
  const pg = new Pool({ connectionString: stage.url, max: 2 });
  await stage.sql('CREATE TABLE bench_log (LIKE audit_log INCLUDING ALL)');
  await stage.sql('GRANT ALL ON bench_log TO PUBLIC');
  const fill = async (): Promise<void> => {
    await pg.query(
      `INSERT INTO audit_inbox (id, class, payload, leaf, emit_mac)
       SELECT uuidv7(), 3, $1, $2, $3 FROM generate_series(1, $4::int - (SELECT count(*) FROM audit_inbox))`,
      [PAYLOAD, LEAF, macOf(stage), READY],
    );
  };
  await compare({
    title: `sealing, batches of ${BATCH}, against inserting the same rows into a table with the log's indexes`,
    aim: 0.6,
    contenders: [
      {
        name: 'sealer',
        round: async (ms) => {
          await fill();
          return rate(ms, () => sealer.turn());
        },
      },
      { name: 'INSERT … SELECT unnest()', round: (ms) => rate(ms, () => insertRaw(pg, macOf(stage))) },
    ],
  });
  while ((await sealer.turn()) > 0);
  const verifier = app.get(Verifier);
  const block = randomBytes(1024);
  const verify = async (): Promise<number> => {
    const { logs, ms, result } = await verifier.verify({ log: 'ipam', anchors: null });
    if (result !== 'sound') throw new Error(`The log is ${result}.`);
    return ((logs[0]?.bytes ?? 0) * 1000) / ms;
  };
  await compare({
    title: 'verifying, one core, against SHA-256 of 1 KiB in the same process, bytes',
    aim: 0.25,
    contenders: [
      { name: 'verify', round: verify },
      { name: 'sha256', round: (ms) => rate(Math.min(ms, 500), () => Promise.resolve(hashBlocks(block))) },
    ],
  });
  await compare({
    title: 'verifying, one core, against COPY of the same columns and SHA-256 of what comes, bytes of payload',
    aim: 0.6,
    contenders: [
      { name: 'verify', round: verify },
      { name: 'COPY | sha256', round: () => copyAndHash(stage.url) },
    ],
  });
  await pg.end();
  await app.close();
}

/** What writers have left while their events are sealed by the server beside them. */
async function benchWriters(stage: Stage): Promise<void> {
  const pools: string[] = [];
  for (let i = 0; i < 64; i++) pools.push(await seedPool(stage, `17.${i * 2}.0.0/15`, 0n));
  const pg = new Pool({ connectionString: stage.url, max: 32 });
  const mac = macOf(stage);
  for (const clients of [8, 16, 32])
    await compare({
      title: `audited against unaudited, sealed meanwhile, 64 pools, ${clients} clients, raw SQL`,
      aim: 0.8,
      contenders: [
        { name: 'audited', round: raw(pg, pools, mac, clients) },
        { name: 'unaudited', round: raw(pg, pools, undefined, clients) },
      ],
    });
  await pg.end();
}

/** Units a second of `work`, which says how many it did. */
async function rate(ms: number, work: () => Promise<number>): Promise<number> {
  const start = performance.now();
  let [done, last] = [0, 1];
  while (last > 0 && performance.now() - start < ms) done += last = await work();
  return (done * 1000) / (performance.now() - start);
}

async function insertRaw(pg: Pool, mac: Buffer): Promise<number> {
  await pg.query({
    name: 'raw-log',
    text: `INSERT INTO bench_log (class, seq, sealed_at, occurred_at, recorded_at, id, xid, action, category, severity, outcome, flags, payload, leaf, emit_mac)
           SELECT 3, row_number() OVER (), clock_timestamp(), now(), now(), u.id, pg_current_xact_id(), 'bench', 'ipam', 'info', 'success', '{}', u.payload, u.leaf, u.mac
             FROM unnest($1::uuid[], $2::text[], $3::bytea[], $4::bytea[]) AS u (id, payload, leaf, mac)`,
    values: [
      Array.from({ length: BATCH }, () => uuidv7()),
      Array<string>(BATCH).fill(PAYLOAD),
      Array<Buffer>(BATCH).fill(LEAF),
      Array<Buffer>(BATCH).fill(mac),
    ],
  });
  return BATCH;
}

function hashBlocks(block: Buffer): number {
  for (let i = 0; i < 1000; i++) hash('sha256', block, 'hex');
  return block.length * 1000;
}

/** What the server can give at most, hashed as it comes. */
async function copyAndHash(url: string): Promise<number> {
  const client = new Client(url);
  await client.connect();
  const { rows } = await client.query<{ bytes: string }>('SELECT sum(octet_length(payload)) AS bytes FROM audit_log WHERE class = 3');
  const began = performance.now();
  const digest = createHash('sha256');
  const text = `COPY (SELECT ${COPIED_COLUMNS} FROM audit_log l WHERE l.class = 3 ORDER BY l.sealed_at, l.seq) TO STDOUT (FORMAT binary)`;
  await pipeline(client.query(copyTo(text)), digest);
  const seconds = (performance.now() - began) / 1000;
  await client.end();
  return Number(rows[0]?.bytes) / seconds;
}
