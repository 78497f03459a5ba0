import { Pool } from 'pg';
import { createApp } from '../src/app.setup.js';
import { Sealer } from '../src/audit/sealing/sealer.js';
import { Verifier } from '../src/audit/verification/verifier.js';
import { loadConfig } from '../src/config/app-config.js';
import { openStage } from './stage.js';
import { LEAF, macOf, PAYLOAD } from './writes.js';

/** Events of the log; the aim is said of five million. */
const ROWS = Number(process.env.BENCH_AUDIT_ROWS ?? 5_000_000);
const BATCH = 250_000;

/** The whole of a large log, sealed by the sealer itself, verified with one thread and with two. */
export async function benchAuditVerify(): Promise<void> {
  const stage = await openStage();
  const app = await createApp(loadConfig({ ...stage.variables, CADASTRE_JOBS: 'false' }));
  await app.init();
  const pg = new Pool({ connectionString: stage.url, max: 1 });
  try {
    const began = performance.now();
    for (let from = 0; from < ROWS; from += BATCH) {
      await pg.query(
        'INSERT INTO audit_inbox (id, class, payload, leaf, emit_mac) SELECT uuidv7(), 3, $1, $2, $3 FROM generate_series(1, $4::int)',
        [PAYLOAD, LEAF, macOf(stage), Math.min(BATCH, ROWS - from)],
      );
      while ((await app.get(Sealer).turn()) > 0);
    }
    console.log(`      recorded and sealed ${ROWS.toLocaleString('en')} events in ${Math.round((performance.now() - began) / 1000)} s`);
    for (const workers of [1, 2]) {
      const { logs, ms, result } = await app.get(Verifier).verify({ log: 'ipam', anchors: null, workers });
      const [{ events, bytes } = { events: 0, bytes: 0 }] = logs;
      console.log(
        `      verified ${events.toLocaleString('en')} events with ${workers} at work: ${result}, ${Math.round((events * 1000) / ms).toLocaleString('en')} events/s, ` +
          `${(bytes / 1000 / ms).toFixed(0)} MB/s, resident ${Math.round(process.memoryUsage.rss() / 2 ** 20)} MiB`,
      );
    }
  } finally {
    await pg.end();
    await app.close();
    await stage.close();
  }
}
