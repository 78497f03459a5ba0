import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Client } from 'pg';
import { type Agent } from 'supertest';
import { ArchiveSettings } from '../src/audit/archive/archive-settings.js';
import { StoreAnchor } from '../src/audit/archive/store-anchor.js';
import { Anchoring } from '../src/audit/sealing/anchoring.js';
import { type VerificationReport, Verifier } from '../src/audit/verification/verifier.js';
import { eventually } from './support/eventually.js';
import { allSealed, record, sharedKeys } from './support/sealed-log.js';
import { asRole } from './support/sign-in.js';
import { startTestApp, type TestApp } from './support/test-app.js';
import { copyTestDatabase, createTestDatabase, type TestDatabase } from './support/test-database.js';

const SETTING = 'audit.archive.anchors';

describe('checkpoints in the store of the archives', () => {
  let database: TestDatabase;
  let folder: string;
  let t: TestApp;
  let admin: Agent;

  beforeAll(async () => {
    folder = await mkdtemp(path.join(tmpdir(), 'cadastre-store-'));
    database = await createTestDatabase();
    t = await startTestApp({ ...sharedKeys(), CADASTRE_PINNED_SETTINGS: JSON.stringify({ 'audit.archive.directory': folder }) }, database);
    admin = await asRole(t, 'superuser');
    await record(t, 'ipam', 20);
    await allSealed(t);
  });

  afterAll(async () => {
    await t.close();
    await database.drop();
    await rm(folder, { recursive: true, force: true });
  });

  const files = async (): Promise<string[]> => {
    const found = await readdir(folder, { recursive: true });
    return found.filter((name) => name.endsWith('.note')).map((name) => path.join(folder, name));
  };

  const notes = async (): Promise<string[]> => Promise.all((await files()).map((file) => readFile(file, 'utf8')));

  async function published(): Promise<void> {
    await allSealed(t);
    await eventually(async () => {
      const behind = await t.sql(
        `SELECT FROM audit_checkpoint c
          WHERE c.number > coalesce((SELECT a.number FROM audit_anchoring a WHERE a.class = c.class AND a.anchor = 'store'), -1)`,
      );
      return behind.length === 0;
    }, 20_000);
  }

  /** After changes by a superuser without triggers, which are taken back again. No folder has an anchor. */
  async function verifiedAfter(...changes: string[]): Promise<VerificationReport> {
    const client = new Client(database.adminUrl);
    await client.connect();
    try {
      await client.query(`BEGIN ISOLATION LEVEL REPEATABLE READ; SET LOCAL session_replication_role = replica; SET LOCAL TimeZone = 'UTC'`);
      for (const change of changes) await client.query(change);
      return await t.app.get(Verifier).verifyOn(client, { anchors: path.join(folder, 'nowhere') });
    } finally {
      await client.end();
    }
  }

  /** Every log as it was at its first checkpoint. */
  const cut = [
    'CREATE TEMP TABLE kept AS SELECT class, number, size, at FROM audit_checkpoint WHERE number = 0',
    'DELETE FROM audit_checkpoint c USING kept k WHERE c.class = k.class AND c.number > k.number',
    'DELETE FROM audit_log l USING kept k WHERE l.class = k.class AND l.seq >= k.size',
    'DELETE FROM audit_tile t USING kept k WHERE t.class = k.class AND (t.n + 1) * 256 > k.size',
    'UPDATE audit_heads h SET size = k.size FROM kept k WHERE h.class = k.class',
    'DELETE FROM audit_period p USING kept k WHERE p.class = k.class AND k.size = 0',
    'UPDATE audit_period p SET last_seq = k.size - 1, rows = k.size FROM kept k WHERE p.class = k.class',
    'TRUNCATE audit_inbox',
  ];

  it('A4: are not there while the setting is off, and a clean cut of all logs shows nowhere', async () => {
    expect(await files()).toEqual([]);
    expect(await verifiedAfter(...cut)).toMatchObject({ result: 'sound', anchors: 0 });
  });

  it('A4: lie there once it is on, also those from before, and each is made once', async () => {
    await admin
      .put(`/api/v1/settings/${SETTING}`)
      .send({ value: true })
      .expect(({ status }) => {
        if (status >= 300) throw new Error(`The setting was not changed: ${status}`);
      });
    t.app.get(Anchoring).wake();
    await published();
    const rows = await t.sql<{ note: string }>('SELECT note FROM audit_checkpoint');
    const stored = await notes();
    expect(new Set(stored)).toEqual(new Set(rows.map(({ note }) => note)));
    expect((await files()).every((file) => /anchors\/[a-z]+\/\d{4}-\d\d\/\d{12}\.note$/.test(file))).toBe(true);
    await record(t, 'ipam', 5);
    await published();
    expect((await notes()).length).toBeGreaterThan(stored.length);
  });

  it('A4: are not overwritten: the same again is nothing, and another of the same number lies apart', async () => {
    const anchor = t.app.get(StoreAnchor);
    const [row] = await t.sql<{ note: string }>('SELECT note FROM audit_checkpoint WHERE class = 3 ORDER BY number LIMIT 1');
    const before = await notes();
    const other = row!.note.replace(/\n\d+\n/, '\n19\n');
    await anchor.publish({ log: 'ipam', number: 0, size: 20, note: row!.note });
    expect((await notes()).toSorted()).toEqual(before.toSorted());
    for (let time = 0; time < 2; time++) await anchor.publish({ log: 'ipam', number: 0, size: 19, note: other });
    expect((await notes()).toSorted()).toEqual([...before, other].toSorted());
    const apart = (await files()).filter((file) => /anchors\/ipam\/forked\/000000000000\.[0-9a-f]{8}\.note$/.test(file));
    expect(apart).toHaveLength(1);
    // Nobody of ours signed it.
    expect((await verifiedAfter()).findings.map(({ code }) => code)).toEqual(['anchor_altered']);
    await rm(apart[0]!);
  });

  it('A4: betray who cuts all logs cleanly, which nothing else does', async () => {
    await published();
    expect(await verifiedAfter()).toMatchObject({ result: 'sound', findings: [] });
    const report = await verifiedAfter(...cut);
    expect(report.result).toBe('incomplete');
    expect(new Set(report.findings.map(({ code }) => code))).toEqual(new Set(['anchor_newer']));
    expect(report.findings.map(({ log }) => log)).toContain('ipam');
  });

  it('A4: of each log the newest is read, and one that nobody of ours signed is said', async () => {
    await published();
    const logs = await t.sql<{ class: number }>('SELECT DISTINCT class FROM audit_checkpoint');
    expect((await verifiedAfter()).anchors).toBe(logs.length);
    const newest = (await files())
      .filter((file) => file.includes('/ipam/'))
      .toSorted()
      .at(-1)!;
    const forged = (await readFile(newest, 'utf8')).replace(/\nnumber (\d+)\n/, (_, n) => `\nnumber ${Number(n) + 1}\n`);
    const beside = newest.replace(/\d+\.note$/, '999999999999.note');
    await writeFile(beside, forged);
    try {
      expect((await verifiedAfter()).findings).toMatchObject([{ code: 'anchor_altered', log: 'ipam' }]);
    } finally {
      await rm(beside);
    }
  });

  it('A4: a store that does not answer is no store without anchors', async () => {
    const settings = t.app.get(ArchiveSettings);
    const real = settings.store.bind(settings);
    settings.store = () => Promise.reject(new Error('The store is away.'));
    try {
      await expect(verifiedAfter()).rejects.toThrow('The store is away.');
    } finally {
      settings.store = real;
    }
  });
});

describe('a copy of the database that was put back', () => {
  it('A4: is anchored in the store again, beside what was anchored before, and betrayed by both', async () => {
    const folder = await mkdtemp(path.join(tmpdir(), 'cadastre-store-'));
    const settings = { 'audit.archive.directory': folder, [SETTING]: true };
    const variables = { ...sharedKeys(), CADASTRE_PINNED_SETTINGS: JSON.stringify(settings) };
    const live = await createTestDatabase();
    const newest = async (app: TestApp): Promise<number> =>
      (await app.sql<{ n: number }>('SELECT max(number)::int AS n FROM audit_checkpoint WHERE class = 3'))[0]!.n;
    const all = async (app: TestApp): Promise<void> => {
      await allSealed(app);
      await eventually(
        async () =>
          (
            await app.sql(
              `SELECT FROM audit_checkpoint c WHERE c.number >
                 coalesce((SELECT a.number FROM audit_anchoring a WHERE a.class = c.class AND a.anchor = 'store'), -1)`,
            )
          ).length === 0,
        20_000,
      );
    };
    const grow = async (app: TestApp, to: number): Promise<void> => {
      while ((await newest(app)) < to) {
        await record(app, 'ipam', 1);
        await all(app);
      }
    };
    const first = await startTestApp(variables, live);
    await grow(first, 1);
    await first.close();
    const copy = await copyTestDatabase(live);
    try {
      const before = await startTestApp(variables, live);
      await grow(before, 3);
      await before.close();
      const restored = await startTestApp(variables, copy);
      await grow(restored, 5);
      const found = await readdir(folder, { recursive: true });
      expect(found.filter((name) => /ipam\/forked\/\d{12}\.[0-9a-f]{8}\.note$/.test(name))).toHaveLength(2);
      const report = await restored.app.get(Verifier).verify({ anchors: path.join(folder, 'nowhere') });
      expect(report.findings.map(({ code, log }) => `${code} ${log}`)).toContain('forked ipam');
      await restored.close();
    } finally {
      await live.drop();
      await copy.drop();
      await rm(folder, { recursive: true, force: true });
    }
  });
});
