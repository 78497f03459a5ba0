import { text } from 'node:stream/consumers';
import { ArchiveChecks } from '../src/audit/archive/archive-checks.js';
import { ArchiveRepository, type Month } from '../src/audit/archive/archive.repository.js';
import { ArchiveSettings } from '../src/audit/archive/archive-settings.js';
import { RetentionRun } from '../src/audit/archive/retention-run.js';
import { type AuditEventPage } from '../src/audit/log/audit-event.dto.js';
import { Verifier } from '../src/audit/verification/verifier.js';
import { SystemClock } from '../src/kernel/clock.js';
import { Outbound } from '../src/platform/outbound/outbound.js';
import { S3Client } from '../src/platform/storage/s3/s3-client.js';
import { type Ceph, CEPH_PROGRAMS, startCeph } from './support/ceph.js';
import { describeWith } from './support/programs.js';
import { allSealed, record, sharedKeys } from './support/sealed-log.js';
import { asRole } from './support/sign-in.js';
import { startTestApp, type TestApp } from './support/test-app.js';
import { createTestDatabase, type TestDatabase } from './support/test-database.js';
import { monthsClosed, setTrailBack } from './support/years.js';

const EVENTS = 700;
const BUCKET = 'archives';
const PREFIX = 'trail';

describeWith(...CEPH_PROGRAMS)('an archive in a bucket', () => {
  let ceph: Ceph;
  let database: TestDatabase;
  let t: TestApp;

  beforeAll(async () => {
    [ceph, database] = await Promise.all([startCeph(), createTestDatabase()]);
    const { endpoint, accessKeyId, secretAccessKey } = ceph;
    const store = { kind: 's3', endpoint, accessKeyId, secretAccessKey, bucket: BUCKET, prefix: PREFIX, pathStyle: true };
    const pins = Object.fromEntries(Object.entries(store).map(([name, value]) => [`audit.archive.${name}`, value]));
    await setTrailBack(database, 1500);
    t = await startTestApp(
      { ...sharedKeys(), CADASTRE_PINNED_SETTINGS: JSON.stringify({ ...pins, 'audit.archive.undoDays': 0 }) },
      database,
    );
    await bucket().text({ method: 'PUT' });
    await record(t, 'ipam', EVENTS);
    await allSealed(t);
    await setTrailBack(database, 0);
    await record(t, 'ipam', 1);
    await monthsClosed(t);
    await allSealed(t);
  }, 180_000);

  afterAll(async () => {
    await t.close();
    await database.drop();
    await ceph.close();
  });

  function bucket(): S3Client {
    const { endpoint, accessKeyId, secretAccessKey } = ceph;
    const config = { kind: 's3' as const, endpoint, accessKeyId, secretAccessKey, region: 'us-east-1', bucket: BUCKET, pathStyle: true };
    return new S3Client(config, t.app.get(Outbound), new SystemClock());
  }

  async function ipam(): Promise<Month> {
    const month = (await t.app.get(ArchiveRepository).months()).find(({ log }) => log === 'ipam');
    if (!month) throw new Error('There is no closed month.');
    return month;
  }

  it('T2, T3, T4: a month goes into it, is read back, and leaves the database; search reads it there', async () => {
    for (const to of ['detached', 'dropped']) {
      expect(await t.app.get(RetentionRun).run({ requestedBy: 'test' })).toMatchObject({ state: 'done', error: null });
      expect((await ipam()).state).toBe(to);
    }
    const { objectKey, manifestKey } = await ipam();
    const store = await t.app.get(ArchiveSettings).store();
    expect((await store.head(objectKey ?? '')).bytes).toBe((await ipam()).objectBytes);
    expect(await text((await store.get(manifestKey ?? '')).stream)).toContain('"rows":700');
    const listed = (await bucket().text({ method: 'GET', query: { prefix: `${PREFIX}/` } })).text;
    expect(listed).toContain(`${PREFIX}/${objectKey ?? ''}`);
    expect(await t.sql(`SELECT FROM audit_log WHERE class = 3 AND sealed_at < now() - interval '1 year'`)).toEqual([]);
    const auditor = await asRole(t, 'auditor');
    const question = 'archived=true&action=test.sealed&resourceType=thing&resourceId=thing-699';
    const { items } = (await auditor.get(`/api/v1/audit/events?${question}`).expect(200)).body as AuditEventPage;
    expect(items).toMatchObject([{ archived: true, resource: { id: 'thing-699' } }]);
  });

  it('T2, T6: another run changes nothing there, and what is there verifies', async () => {
    const before = (await bucket().text({ method: 'GET', query: { prefix: `${PREFIX}/` } })).text;
    expect(await t.app.get(RetentionRun).run({ requestedBy: 'test' })).toMatchObject({ steps: [], error: null });
    expect((await bucket().text({ method: 'GET', query: { prefix: `${PREFIX}/` } })).text).toBe(before);
    await allSealed(t);
    expect(await t.app.get(Verifier).verify({ anchors: null })).toMatchObject({ result: 'sound', findings: [] });
    expect(await t.app.get(ArchiveChecks).findings()).toEqual([]);
  });

  it('T1, T6: what is purged is gone from it, but for its manifest; what somebody else removes is found', async () => {
    const month = await ipam();
    await bucket().text({ method: 'DELETE', key: `${PREFIX}/${month.objectKey ?? ''}` });
    expect(await t.app.get(ArchiveChecks).findings('ipam')).toMatchObject([{ code: 'archive_broken', log: 'ipam' }]);
    await t.sql(`UPDATE audit_retention_policy SET delete_after_days = 1200 WHERE name = 'Everything'`);
    const governance = (await t.app.get(ArchiveRepository).months()).find(({ log }) => log === 'governance');
    expect(await t.app.get(RetentionRun).run({ requestedBy: 'test' })).toMatchObject({ error: null });
    const listed = (await bucket().text({ method: 'GET', query: { prefix: `${PREFIX}/` } })).text;
    for (const { objectKey, manifestKey } of [month, ...(governance ? [governance] : [])]) {
      expect(listed).not.toContain(objectKey ?? 'nothing');
      expect(listed).toContain(manifestKey ?? 'nothing');
    }
    expect((await ipam()).state).toBe('purged');
    expect(await t.app.get(ArchiveChecks).findings()).toEqual([]);
  });
});
