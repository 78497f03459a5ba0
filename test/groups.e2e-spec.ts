import { type Agent } from 'supertest';
import { type AuditEventView } from '../src/audit/log/audit-event.dto.js';
import { eventsOf } from './support/audit-events.js';
import { asRole, createUser } from './support/sign-in.js';
import { startTestApp, type TestApp } from './support/test-app.js';

const GROUPS = '/api/v1/groups';

interface GroupBody {
  id: string;
  name: string;
  gidNumber: number;
  version: number;
}

let t: TestApp;
let admin: Agent;
let names = 0;

beforeAll(async () => {
  t = await startTestApp();
  admin = await asRole(t, 'admin');
});

afterAll(() => t.close());

async function aGroup(more: object = {}): Promise<GroupBody> {
  const answer = await admin
    .post(GROUPS)
    .send({ name: `team-${++names}`, ...more })
    .expect(201);
  return answer.body as GroupBody;
}

const eventsAbout = (id: string): Promise<AuditEventView[]> => eventsOf(t, 'resource_id = $1', id);

describe('groups', () => {
  it('U3: are made, found, changed and removed', async () => {
    const created = await admin.post(GROUPS).send({ name: 'core-network', description: 'Keeps the core' }).expect(201);
    const group = created.body as GroupBody;
    const path = `${GROUPS}/${group.id}`;
    expect([created.headers.location, created.headers.etag]).toEqual([path, '"1"']);
    expect((await admin.post(GROUPS).send({ name: 'core-network' }).expect(409)).body).toMatchObject({ code: 'group_name_taken' });
    for (const name of ['Upper', 'with space', '1digit', 'x'.repeat(33), '']) await admin.post(GROUPS).send({ name }).expect(422);
    expect((await admin.get(`${GROUPS}?q=CORE`).expect(200)).body).toMatchObject({ items: [{ id: group.id, members: 0 }], total: 1 });
    const changed = await admin.patch(path).set('if-match', '"1"').send({ description: 'Keeps it up' }).expect(200);
    expect([changed.headers.etag, changed.body]).toEqual([
      '"2"',
      { ...group, description: 'Keeps it up', version: 2, updatedAt: expect.any(String) as string },
    ]);
    await admin.patch(path).set('if-match', '"1"').send({ name: 'late' }).expect(412);
    await admin.patch(path).send({ gidNumber: 12_345 }).expect(422);
    await admin.delete(path).set('if-match', '"1"').expect(412);
    await admin.delete(path).expect(204);
    await admin.get(path).expect(404);
    expect((await eventsAbout(group.id)).map(({ action }) => action)).toEqual(['group.created', 'group.updated', 'group.deleted']);
  });

  it('U3: 60 made at once have 60 distinct numbers of the range, and none is given a second time', async () => {
    const groups = await Promise.all(Array.from({ length: 60 }, () => aGroup()));
    const numbers = groups.map(({ gidNumber }) => gidNumber).sort((a, b) => a - b);
    expect(new Set(numbers).size).toBe(60);
    expect([numbers[0]! >= 10_000, numbers[59]! < 60_000]).toEqual([true, true]);
    const { id, gidNumber } = groups.find((group) => group.gidNumber === numbers[59])!;
    await admin.delete(`${GROUPS}/${id}`).expect(204);
    expect((await admin.post(GROUPS).send({ name: 'heirs', gidNumber }).expect(409)).body).toMatchObject({
      code: 'gid_number_taken',
      errors: [{ pointer: '/gidNumber' }],
    });
    expect((await admin.post(GROUPS).send({ name: 'strays', gidNumber: 60_000 }).expect(422)).body).toMatchObject({
      code: 'gid_outside_range',
      errors: [{ pointer: '/gidNumber', detail: 'must be a number of the range of groups, 10000 to 59999' }],
    });
    const asked = await aGroup({ gidNumber: gidNumber + 1 });
    expect((await aGroup()).gidNumber).toBe(asked.gidNumber + 1);
    const [before] = await t.sql<{ next: number }>(`UPDATE posix_counters SET next = 60000 WHERE counter = 'group' RETURNING old.next`);
    expect((await admin.post(GROUPS).send({ name: 'late' }).expect(409)).body).toMatchObject({ code: 'gid_numbers_exhausted' });
    await t.sql(`UPDATE posix_counters SET next = $1 WHERE counter = 'group'`, [before?.next]);
  });

  it('U3: adding twice is one membership and one event, also when both come at once; removing who is none is 404', async () => {
    const group = await aGroup();
    const user = await createUser(t, { roles: ['viewer'] });
    const path = `${GROUPS}/${group.id}/members/${user.id}`;
    const answers = await Promise.all([admin.put(path), admin.put(path), admin.put(path)]);
    expect(answers.map(({ status }) => status)).toEqual([204, 204, 204]);
    await admin.put(path).expect(204);
    expect(await t.sql('SELECT FROM group_members WHERE group_id = $1', [group.id])).toHaveLength(1);
    await admin.delete(path).expect(204);
    expect((await admin.delete(path).expect(404)).body).toMatchObject({ code: 'member_not_found' });
    expect(await eventsAbout(group.id)).toMatchObject([
      { action: 'group.created' },
      { action: 'group.member_added', resource: { name: group.name }, detail: { userId: user.id, username: user.username } },
      { action: 'group.member_removed', detail: { userId: user.id } },
    ]);
    const nobody = '00000000-0000-7000-8000-000000000000';
    expect((await admin.put(`${GROUPS}/${group.id}/members/${nobody}`).expect(404)).body).toMatchObject({ code: 'user_not_found' });
    expect((await admin.put(`${GROUPS}/${nobody}/members/${user.id}`).expect(404)).body).toMatchObject({ code: 'group_not_found' });
  });

  it('U3: members are paged, a user’s groups are listed, and a deleted user is no member', async () => {
    const [one, two] = [await aGroup({ name: 'alpha' }), await aGroup({ name: 'beta' })];
    const users = await Promise.all(['a', 'b', 'c'].map((letter) => createUser(t, { username: `member-${letter}` })));
    for (const { id } of users) await admin.put(`${GROUPS}/${one.id}/members/${id}`).expect(204);
    await admin.put(`${GROUPS}/${two.id}/members/${users[0]!.id}`).expect(204);
    const page = await admin.get(`${GROUPS}/${one.id}/members?limit=2&offset=1`).expect(200);
    expect(page.body).toMatchObject({ items: [{ username: 'member-b' }, { username: 'member-c', active: true }], total: 3 });
    const mine = await admin.get(`/api/v1/users/${users[0]!.id}/groups`).expect(200);
    expect(mine.body).toMatchObject({ items: [{ name: 'alpha', members: 3 }, { name: 'beta' }], total: 2 });
    await admin.delete(`/api/v1/users/${users[0]!.id}`).expect(204);
    expect((await admin.get(`${GROUPS}/${one.id}`).expect(200)).body).toMatchObject({ members: 2 });
  });

  it('U3: deleting a group says how many members it had; somebody’s primary group stays', async () => {
    const group = await aGroup();
    const user = await createUser(t);
    await admin.put(`${GROUPS}/${group.id}/members/${user.id}`).expect(204);
    await admin.patch(`/api/v1/users/${user.id}`).send({ gidNumber: group.gidNumber }).expect(200);
    expect((await admin.delete(`${GROUPS}/${group.id}`).expect(409)).body).toMatchObject({ code: 'group_is_primary', users: 1 });
    await admin.patch(`/api/v1/users/${user.id}`).send({ gidNumber: null }).expect(200);
    await admin.delete(`${GROUPS}/${group.id}`).expect(204);
    expect(await eventsAbout(group.id)).toMatchObject([
      { action: 'group.created' },
      { action: 'group.member_added' },
      { action: 'group.deleted', before: { name: group.name }, detail: { members: 1 } },
    ]);
    expect((await admin.get(`/api/v1/users/${user.id}/groups`).expect(200)).body).toEqual({ items: [], total: 0 });
  });
});
