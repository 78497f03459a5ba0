import { createHash, createHmac } from 'node:crypto';
import { type Agent } from 'supertest';
import { type AuditEventView } from '../src/audit/log/audit-event.dto.js';
import { type StoredEvent } from '../src/audit/log/stored-event.js';
import { PersonalReader } from '../src/audit/personal/personal-reader.js';
import { Finishing } from '../src/audit/reads/finishing.js';
import { leafHashHex } from '../src/audit/sealing/merkle.js';
import { AuditTrail } from '../src/audit/trail/audit-trail.js';
import { packed, type PackedLeaves, unpacked } from '../src/audit/trail/inbox-rows.js';
import { Clock } from '../src/kernel/clock.js';
import { KeyStore } from '../src/platform/crypto/key-store.js';
import { eventsOf } from './support/audit-events.js';
import { Builders } from './support/builders.js';
import { eventually } from './support/eventually.js';
import { asRole, createUser, signIn, type TestUser, withToken } from './support/sign-in.js';
import { startTestApp, type TestApp } from './support/test-app.js';

const UNKNOWN = '01890000-0000-7000-8000-000000000000';
const digestOf = (ids: string[]): string =>
  `sha256:${createHash('sha256')
    .update(ids.map((id) => `${id}\n`).join(''))
    .digest('hex')}`;

describe('reads of what is classified', () => {
  let t: TestApp;
  let admin: Agent;
  let user: TestUser;
  let calls = 0;

  beforeAll(async () => {
    t = await startTestApp({ CADASTRE_JOBS: 'false', CADASTRE_PINNED_SETTINGS: '{"audit.reads.network":"batched"}' });
    user = await createUser(t, { roles: ['superuser'] });
    admin = withToken(t, (await signIn(t, user)).accessToken);
  });

  afterAll(() => t.close());

  /** Reads, and what it left: an answer that is sent before its event would show none at times. */
  async function read(
    path: string,
    headers: Record<string, string> = {},
    status = 200,
  ): Promise<{ body: unknown; text: string; events: AuditEventView[] }> {
    const id = `reading-${++calls}-request`;
    const answer = await admin
      .get(`/api/v1${path}`)
      .set({ 'x-request-id': id, ...headers })
      .expect(status);
    return { body: answer.body as unknown, text: answer.text, events: await eventsOf(t, 'correlation_id = $1', id) };
  }

  it('A6: one event for one object, with who and which and nothing of what it is', async () => {
    const { events } = await read(`/users/${user.id}`);
    expect(events).toMatchObject([
      { action: 'user.read', category: 'reads', outcome: 'success', actor: { id: user.id }, resource: { type: 'user', id: user.id } },
    ]);
    expect(events[0]).not.toHaveProperty('after');
    expect(events[0]?.detail).toEqual({});
    const [row] = await t.sql<{ class: number }>(`SELECT class FROM audit_inbox WHERE id = $1`, [events[0]!.id]);
    expect(row).toEqual({ class: 2 });
  });

  it('A6: one event for a list, with its filter, its count, its ends and a digest of its ids in order', async () => {
    for (let i = 0; i < 3; i++) await createUser(t, { username: `listed-${i}` });
    const { body, events } = await read('/users?q=listed&limit=2&offset=0');
    const ids = (body as { items: { id: string }[] }).items.map(({ id }) => id);
    expect(ids).toHaveLength(2);
    expect(events).toMatchObject([{ action: 'user.listed', category: 'reads', resource: { type: 'user', id: '*' } }]);
    expect(events[0]?.detail).toEqual({
      filters: { limit: '2', q: 'listed' },
      count: 2,
      first: ids[0],
      last: ids[1],
      digest: digestOf(ids),
    });
  });

  it('A6: HEAD tells that there is something, and leaves the same event', async () => {
    const id = 'reading-by-head';
    await admin.head(`/api/v1/users/${user.id}`).set('x-request-id', id).expect(200);
    await admin.head('/api/v1/ipam/exports/vrfs.csv').set('x-request-id', id).expect(200);
    expect(await eventsOf(t, 'correlation_id = $1', id)).toMatchObject([
      { action: 'user.read', request: { method: 'HEAD' }, resource: { id: user.id } },
      { action: 'vrf_file.exported', request: { method: 'HEAD' } },
    ]);
  });

  it('A6: a list below one thing is found under that thing', async () => {
    const group = (await admin.post('/api/v1/groups').send({ name: 'readers' }).expect(201)).body as { id: string };
    expect((await read(`/groups/${group.id}/members`)).events).toMatchObject([
      { action: 'group_membership.listed', resource: { type: 'group', id: group.id }, detail: { count: 0 } },
    ]);
  });

  it('A6: nothing for what was not shown', async () => {
    expect((await read(`/users/${UNKNOWN}`, {}, 404)).events).toEqual([]);
    expect((await read('/users?nonsense=1', {}, 400)).events).toEqual([]);
  });

  it('A6: the address space is read without waiting when its reads are batched, and each is in the trail', async () => {
    const make = await Builders.of(t);
    const pool = await make.aPool();
    await Promise.all(
      Array.from({ length: 40 }, (_, i) => admin.get(`/api/v1/ipam/pools/${pool.id}`).set('x-request-id', `batched-read-${i}`).expect(200)),
    );
    await eventually(async () => (await eventsOf(t, `action = 'pool.read' AND resource_id = $1`, pool.id)).length === 40);
    const { body } = await read('/ipam/pools?limit=3');
    const [listed] = await eventually(async () => {
      const events = await eventsOf(t, `action = 'pool.listed'`);
      return events.length > 0 && events;
    });
    expect(listed?.detail).toMatchObject({ count: (body as { items: unknown[] }).items.length, filters: { limit: '3' } });
  });

  it('A6, A4: those that come in numbers are finished by a thread, as they are without one; that it ends loses none', async () => {
    const [trail, finishing] = [t.app.get(AuditTrail), t.app.get(Finishing)];
    const event = { action: 'user.read', category: 'reads', resource: { type: 'user', id: user.id, name: user.username } } as const;
    const large = { ...event, detail: { filters: { q: 'x'.repeat(70_000) } } };
    const drafts = await Promise.all(Array.from({ length: 20 }, (_, i) => trail.draft(i === 3 ? large : event)));
    const shown = async (leaves: PackedLeaves): Promise<object[]> => {
      const rows = unpacked(leaves);
      for (const { payload, leaf, mac } of rows) {
        expect(leafHashHex(payload)).toBe(leaf.toString('hex'));
        expect(createHmac('sha256', t.app.get(KeyStore).auditWriter).update(leaf).digest()).toEqual(mac);
      }
      const beside = { recordedAt: new Date(), filed: false, seq: null, quarantined: null };
      const read = await t.app.get(PersonalReader).open<StoredEvent>(rows.map(({ id, payload }) => ({ id, payload, ...beside })));
      // Encrypted anew each time.
      return read.map(({ opened }) => ({ ...opened?.event, personal: undefined, columns: undefined }));
    };
    const here = await shown(packed(trail.finished(drafts)));
    expect(here[0]).toMatchObject({ action: 'user.read', resource: { name: user.username } });
    expect(here[3]).toHaveProperty('truncated');
    expect(await shown(await finishing.packed(drafts))).toEqual(here);
    const asked = finishing.packed(drafts);
    await finishing.close();
    expect(await shown(await asked)).toEqual(here);
    expect(await shown(await finishing.packed(drafts))).toEqual(here);
  });

  it('A6: nothing when the policy is off, and at once when it is not any more', async () => {
    await admin.put('/api/v1/settings/audit.reads.people').send({ value: 'off' }).expect(200);
    expect((await read('/users')).events).toEqual([]);
    await admin.delete('/api/v1/settings/audit.reads.people').expect(204);
    expect((await read('/users')).events).toHaveLength(1);
  });

  it('A6, A8: the value of a setting is no part of the event that it was read', async () => {
    const { events } = await read('/settings/audit.reads.network');
    expect(events).toMatchObject([{ action: 'setting.read', resource: { type: 'setting', id: 'audit.reads.network' }, detail: {} }]);
  });

  it('A6: a file leaves that it began, before its first byte, and what became of it, by the id of that', async () => {
    const { text, events } = await read('/ipam/exports/vrfs.csv');
    expect(events).toMatchObject([
      { action: 'vrf_file.export_started', category: 'reads', outcome: 'unknown' },
      {
        action: 'vrf_file.exported',
        outcome: 'success',
        detail: {
          attempt: events[0]!.id,
          bytes: Buffer.byteLength(text),
          digest: `sha256:${createHash('sha256').update(text).digest('hex')}`,
        },
      },
    ]);
    expect(text).toContain('name');
  });

  it('A6: the trail out of the house does the same', async () => {
    const { events } = await read('/audit/export?format=ndjson&action=user.read');
    expect(events).toMatchObject([
      { action: 'audit.export_started', outcome: 'unknown' },
      { action: 'audit.exported', outcome: 'success', detail: { attempt: events[0]!.id } },
    ]);
  });

  it('A6: an import leaves that it began even when it is refused', async () => {
    const id = 'refused-import-1';
    await admin
      .post('/api/v1/ipam/imports')
      .set('x-request-id', id)
      .attach('vrfs', Buffer.from('no such column\nx\n'), 'vrfs.csv')
      .expect(422);
    const events = await eventsOf(t, 'correlation_id = $1', id);
    expect(events).toMatchObject([
      { action: 'import.started', outcome: 'unknown' },
      { action: 'import.failed', outcome: 'failure', detail: { attempt: events[0]!.id, code: 'column_missing' } },
    ]);
  });

  it('A6: reads are found by the words of older systems, by flag, and in the report of accesses', async () => {
    const auditor = await asRole(t, 'auditor');
    const found = async (query: string): Promise<string[]> =>
      ((await auditor.get(`/api/v1/audit/events?${query}&limit=500`).expect(200)).body as { items: AuditEventView[] }).items.map(
        ({ action }) => action,
      );
    await read(`/users/${user.id}`);
    expect(await found('action=READ')).toContain('user.read');
    expect(await found('action=BULK_READ')).toContain('user.listed');
    expect(await found('action=DOWNLOAD')).toContain('vrf_file.exported');
    expect(await found('flag=hipaa')).toEqual(expect.arrayContaining(['user.read', 'user.listed', 'vrf_file.exported']));
    expect(await found('flag=pci')).toContain('login.succeeded');
    expect((await auditor.get('/api/v1/audit/reports/access').buffer(true).expect(200)).text).toContain('"user.read"');
  });

  it('A9, A17: an event has the device, the proxies that were not believed, and what the request had cost so far', async () => {
    const { events } = await read(`/users/${user.id}`, {
      'user-agent': 'Mozilla/5.0 (X11; Linux x86_64; rv:132.0) Gecko/20100101 Firefox/132.0',
      'x-forwarded-for': `203.0.113.7, ${'1'.repeat(400)}`,
    });
    const [event] = events;
    expect(event).toMatchObject({
      request: { clientIp: '127.0.0.1', peerIp: '127.0.0.1', device: { kind: 'browser', client: 'Firefox', os: 'Linux' } },
      processing: { ms: expect.any(Number) as number, queries: expect.any(Number) as number, rssMiB: expect.any(Number) as number },
    });
    expect(event?.request?.forwardedFor).toBe(`203.0.113.7, ${'1'.repeat(400)}`.slice(0, 256));
    expect(event?.processing?.ms).toBeGreaterThan(0);
    expect(event?.processing?.queries).toBeGreaterThan(0);
    expect(event?.processing?.rssMiB).toBeGreaterThan(20);
    expect((await admin.get(`/api/v1/audit/events/${event!.id}`).expect(200)).body).toMatchObject({
      processing: event?.processing,
      request: event?.request,
    });
  });

  it('A17: what nobody sent is absent, not invented', async () => {
    const { events } = await read(`/users/${user.id}`, { 'user-agent': 'something of our own' });
    expect(events[0]?.request?.device).toEqual({ kind: null, client: null, os: null });
    expect(events[0]?.request).not.toHaveProperty('forwardedFor');
  });

  it('A20: a clock that steps is an event, once', async () => {
    const clock = t.app.get(Clock);
    const real = clock.now.bind(clock);
    clock.now = () => new Date(real().getTime() + 60_000);
    try {
      const events = await eventually(async () => {
        const found = await eventsOf(t, `action = 'audit.clock_stepped'`);
        return found.length > 0 && found;
      });
      expect(events).toMatchObject([{ category: 'meta', detail: { milliseconds: expect.any(Number) as number } }]);
      expect(Math.abs((events[0]?.detail as { milliseconds: number }).milliseconds - 60_000)).toBeLessThan(100);
    } finally {
      clock.now = real;
    }
    await eventually(async () => (await eventsOf(t, `action = 'audit.clock_stepped'`)).length === 2);
  });
});
