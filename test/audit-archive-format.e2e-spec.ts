import { execFileSync } from 'node:child_process';
import { createReadStream } from 'node:fs';
import { readdir } from 'node:fs/promises';
import path from 'node:path';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { Client } from 'pg';
import { ArchiveChecks } from '../src/audit/archive/archive-checks.js';
import { ArchiveRepository } from '../src/audit/archive/archive.repository.js';
import { RetentionRun } from '../src/audit/archive/retention-run.js';
import { AppConfig } from '../src/config/app-config.js';
import { zstd } from '../src/platform/storage/codecs/zstd.js';
import { describeWith } from './support/programs.js';
import { allSealed, asAttacker, record, sharedKeys } from './support/sealed-log.js';
import { asRole } from './support/sign-in.js';
import { startTestApp, type TestApp } from './support/test-app.js';
import { createTestDatabase, type TestDatabase } from './support/test-database.js';
import { monthsClosed, setTrailBack } from './support/years.js';

const READER = fileURLToPath(new URL('support/read_archive.py', import.meta.url));
const EVENTS = 40;
/** What somebody with the rights of a superuser put among the events before they were sealed. */
const FORGED = [`{"action":"test.forged","no":"json`, `{"no":"json"\n}`, 'no json'];

interface Line {
  seq: number;
  leaf?: string;
  payload: { action: string } | string;
}

describe('what lies in an archive', () => {
  let database: TestDatabase;
  let t: TestApp;
  let file: string;
  let lines: string[];

  beforeAll(async () => {
    database = await createTestDatabase();
    await setTrailBack(database, 1500);
    t = await startTestApp(sharedKeys(), database);
    const holder = new Client(database.adminUrl);
    await holder.connect();
    await holder.query('BEGIN; SELECT FROM audit_heads FOR UPDATE');
    await record(t, 'ipam', EVENTS);
    for (const [i, payload] of FORGED.entries())
      await asAttacker(
        database,
        `INSERT INTO audit_inbox (id, class, payload, leaf, emit_mac)
         SELECT uuidv7(), 3, p, sha256('\\x${i === 2 ? 'ff' : '00'}'::bytea || convert_to(p, 'UTF8')), sha256('x') FROM (VALUES ('${payload}')) f (p)`,
      );
    await holder.end();
    await allSealed(t);
    await setTrailBack(database, 0);
    await record(t, 'ipam', 1);
    await monthsClosed(t);
    await allSealed(t);
    await t.app.get(RetentionRun).run({ requestedBy: 'test' });
    const folder = path.join(t.app.get(AppConfig).varDirectory, 'archive', 'objects');
    const found = await readdir(folder, { recursive: true });
    file = path.join(folder, found.find((name) => /ipam.*zst$/.test(name)) ?? '');
    lines = (await text(zstd.decompress(createReadStream(file)))).split('\n').slice(0, -1);
  });

  afterAll(async () => {
    await t.close();
    await database.drop();
  });

  it('T2: is a line of JSON for every event, its payload an object, and no hash that can be made of it', () => {
    const events = lines.map((line) => JSON.parse(line) as Line);
    expect(events.map(({ seq }) => seq)).toEqual(Array.from({ length: EVENTS + FORGED.length }, (_, seq) => seq));
    const sound = events.filter(({ payload }) => typeof payload === 'object');
    expect(sound).toHaveLength(EVENTS);
    for (const event of sound) {
      expect(event.payload).toMatchObject({ action: 'test.sealed' });
      expect(event.leaf).toBeUndefined();
    }
  });

  it('T2, A4: has what is under quarantine as a string, to the byte, with the hash it came with when that is another one', async () => {
    const forged = lines.map((line) => JSON.parse(line) as Line).filter(({ payload }) => typeof payload === 'string');
    expect(forged.map(({ payload }) => payload)).toEqual(FORGED);
    expect(forged.map(({ leaf }) => typeof leaf)).toEqual(['undefined', 'undefined', 'string']);
    const auditor = await asRole(t, 'auditor');
    const shown: unknown[] = [];
    for (let next: string | null = ''; next !== null;) {
      const asked = auditor
        .get('/api/v1/audit/events')
        .query({ action: 'audit.unreadable', archived: true, ...(next === '' ? {} : { after: next }) });
      const { body } = (await asked.expect(200)) as { body: { items: unknown[]; next: string | null } };
      shown.push(...body.items);
      next = body.next;
    }
    expect(shown).toEqual(
      FORGED.map(() => expect.objectContaining({ archived: true, quarantined: expect.any(String) as string }) as unknown),
    );
    expect(await t.app.get(ArchiveChecks).findings()).toEqual([]);
  });

  describeWith('python3', 'zstd')('by another program', () => {
    it('T2: has the root that was sealed', async () => {
      const archived = execFileSync('zstd', ['-dc', file]);
      const root = execFileSync('python3', [READER], { input: archived, encoding: 'utf8' }).trim();
      const month = (await t.app.get(ArchiveRepository).months()).find(({ log, objectKey }) => log === 'ipam' && objectKey !== null);
      expect(root).toBe(month?.root.toString('hex'));
    });
  });
});
