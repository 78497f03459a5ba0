import { signIn } from './people.js';
import { type Stage } from './stage.js';

/** Rows of the log; the aim is said of five million. */
const ROWS = Number(process.env.BENCH_AUDIT_ROWS ?? 5_000_000);
const ASKED = 200;
const AIM_MS = 100;
const BATCH = 250_000;

type Filter = [title: string, query: (n: number) => string];

const FILTERS: Filter[] = [
  ['actor', (n) => `actor=actor-${n % 5000}`],
  ['action', (n) => `action=noun${n % 50}.created`],
  ['one thing', (n) => `resourceType=pool&resourceId=thing-${(n * 7919) % 100_000}`],
  ['request', (n) => `correlationId=request-${(n * 7919) % 1_000_000}`],
  ['severity', () => 'severity=critical'],
  ['words', (n) => `text=web${(n * 7919) % 1_000_000}.example.net`],
];

/** The trail's search over HTTP, with the event that each search leaves, on a log of a few months. Then what an export holds, and what the words cost. */
export async function benchAuditQuery(stage: Stage, app: string): Promise<void> {
  await load(stage);
  // Loading takes longer than a token lasts.
  const bearer = await signIn(app, 'bench');
  for (const [title, query] of FILTERS) {
    const ms: number[] = [];
    for (let n = 0; n < ASKED; n++) {
      const began = performance.now();
      const answer = await fetch(`${app}/api/v1/audit/events?limit=50&${query(n)}`, { headers: { authorization: bearer } });
      await answer.text();
      if (!answer.ok) throw new Error(`The search was answered ${answer.status}.`);
      ms.push(performance.now() - began);
    }
    const sorted = ms.toSorted((a, b) => a - b);
    const p95 = sorted[Math.floor(ASKED * 0.95)] ?? 0;
    console.log(
      `${p95 <= AIM_MS ? '  ok ' : ' miss'}  p95 ${p95.toFixed(1)} ms (aim ≤ ${AIM_MS}), p50 ${(sorted[ASKED >> 1] ?? 0).toFixed(1)} ms  ${title}, ${ROWS.toLocaleString('en')} events`,
    );
  }
  await measureExport(bearer, app);
  await measureFiling(stage);
}

/** By sets, and indexed as they come, as they would be filed. */
async function load(stage: Stage): Promise<void> {
  const began = performance.now();
  for (let from = 0; from < ROWS; from += BATCH)
    await stage.sql(
      `INSERT INTO audit_log (class, seq, sealed_at, occurred_at, recorded_at, id, xid, actor_id, action, category, severity, outcome,
                              resource_type, resource_id, client_ip, correlation_id, flags, payload, leaf, emit_mac)
       SELECT 3, 1000000 + n, now(), at, at, uuidv7(at - now()), '1', actor, action, 'ipam', severity, 'success', 'pool', thing, ip, request, '{}',
              jsonb_build_object('v', 1, 'at', at, 'action', action, 'category', 'ipam', 'severity', severity, 'outcome', 'success', 'flags', '[]'::jsonb,
                'actor', jsonb_build_object('kind', 'user', 'id', actor, 'name', 'name of ' || actor),
                'resource', jsonb_build_object('type', 'pool', 'id', thing, 'name', 'web' || n % 1000000 || '.example.net'),
                'request', jsonb_build_object('clientIp', host(ip), 'method', 'POST', 'route', '/api/v1/ipam/pools'),
                'correlationId', request, 'detail', jsonb_build_object('n', n, 'reason', 'measured')),
              sha256('x'), sha256('x')
         FROM (SELECT n, now() - n * interval '1 second' AS at, 'actor-' || n % 5000 AS actor,
                      'noun' || n % 50 || '.' || (ARRAY['created', 'updated', 'deleted'])[1 + n % 3] AS action,
                      CASE WHEN n % 10000 = 0 THEN 'critical' ELSE 'info' END AS severity, 'thing-' || n % 100000 AS thing,
                      '10.0.0.0'::inet + n % 65536 AS ip, 'request-' || n % 1000000 AS request
                 FROM generate_series($1::bigint, $2::bigint) n) e`,
      [String(from + 1), String(Math.min(from + BATCH, ROWS))].map(Number),
    );
  await stage.sql('VACUUM ANALYZE audit_log');
  console.log(`      loaded ${ROWS.toLocaleString('en')} events in ${Math.round((performance.now() - began) / 1000)} s`);
}

async function measureExport(bearer: string, app: string): Promise<void> {
  const began = performance.now();
  const before = await residentMiB(bearer, app);
  const answer = await fetch(`${app}/api/v1/audit/export?category=ipam`, { headers: { authorization: bearer } });
  let [bytes, most, looked] = [0, 0, performance.now()];
  for await (const chunk of answer.body as unknown as AsyncIterable<Uint8Array>) {
    bytes += chunk.length;
    if (performance.now() - looked < 500) continue;
    most = Math.max(most, await residentMiB(bearer, app));
    looked = performance.now();
  }
  const seconds = (performance.now() - began) / 1000;
  console.log(
    `      export of ${ROWS.toLocaleString('en')} events: ${Math.round(bytes / 2 ** 20)} MiB in ${seconds.toFixed(0)} s, ${Math.round(ROWS / seconds).toLocaleString('en')} events/s; resident ${before} MiB before, ${most} MiB at most`,
  );
}

async function residentMiB(bearer: string, app: string): Promise<number> {
  const text = await (await fetch(`${app}/metrics`, { headers: { authorization: bearer } })).text();
  return Math.round(Number(/^process_resident_memory_bytes (\S+)/m.exec(text)?.[1] ?? 0) / 2 ** 20);
}

/** What the index of words adds to filing: the same events put into the log with it and without. */
async function measureFiling(stage: Stage): Promise<void> {
  const events = 20_000;
  let round = 0;
  const file = async (): Promise<number> => {
    const began = performance.now();
    await stage.sql(
      `INSERT INTO audit_log (class, seq, sealed_at, occurred_at, recorded_at, id, xid, actor_id, action, category, severity, outcome, flags, payload, leaf, emit_mac)
       SELECT 3, 100000000 + $2::bigint * $1::int + n, now(), now(), now(), uuidv7(), '1', 'filer', 'bench.filed', 'ipam', 'info', 'success', '{}',
              jsonb_build_object('v', 1, 'at', now(), 'action', 'bench.filed', 'category', 'ipam', 'severity', 'info', 'outcome', 'success',
                'flags', '[]'::jsonb, 'actor', jsonb_build_object('kind', 'user', 'id', 'filer', 'name', 'filer'),
                'resource', jsonb_build_object('type', 'pool', 'id', md5(n::text), 'name', 'host' || n || '.example.net'),
                'detail', jsonb_build_object('n', n, 'reason', repeat('a word or two ', 10))), sha256('x'), sha256('x')
         FROM generate_series(1, $1::int) n`,
      [events, round++],
    );
    return ((performance.now() - began) / events) * 1000;
  };
  const median = async (): Promise<number> => [await file(), await file(), await file()].toSorted((a, b) => a - b)[1] ?? 0;
  const withWords = await median();
  await stage.sql('DROP INDEX audit_log_words');
  const without = await median();
  console.log(
    `      an event into the log: ${withWords.toFixed(0)} µs with the index of words, ${without.toFixed(0)} µs without, medians of 3 × ${events}`,
  );
}
