import { type Agent } from 'supertest';
import { eventsOf } from './support/audit-events.js';
import { Builders } from './support/builders.js';
import { aKeyOf, aKeyOfKind, anArchivedProject, aPerson, aProject, withKey } from './support/examples/keys.js';
import { createUser } from './support/sign-in.js';
import { startTestApp, type TestApp } from './support/test-app.js';

const PROJECTS = '/api/v1/projects';

interface Project {
  id: string;
  name: string;
  version: number;
  archivedAt: string | null;
  members: { userId: string; role: string }[];
  poolIds: string[];
}

describe('projects', () => {
  let t: TestApp;
  let make: Builders;

  beforeAll(async () => {
    t = await startTestApp({ CADASTRE_JOBS: 'false' });
    make = await Builders.of(t);
  });

  afterAll(() => t.close());

  const read = async (agent: Agent, id: string): Promise<Project> => (await agent.get(`${PROJECTS}/${id}`).expect(200)).body as Project;
  const setMembers = (id: string, ...members: { userId: string; role: string }[]): Promise<unknown> =>
    make.root.put(`${PROJECTS}/${id}/members`).send({ members }).expect(200);

  it('K1: a project has a name of its own, whatever the case, and its maker as its owner', async () => {
    const { agent, user } = await aPerson(t, 'admin');
    const made = await agent.post(PROJECTS).send({ name: 'Payments', description: 'cards' }).expect(201);
    const project = made.body as Project;
    expect(made.headers.location).toBe(`${PROJECTS}/${project.id}`);
    expect(project).toMatchObject({ name: 'Payments', archivedAt: null, members: [{ userId: user.id, role: 'owner' }], poolIds: [] });
    expect((await agent.post(PROJECTS).send({ name: 'PAYMENTS' }).expect(409)).body).toMatchObject({ code: 'project_name_taken' });
    const both = await Promise.all([1, 2].map(() => agent.post(PROJECTS).send({ name: 'Race' })));
    expect(both.map(({ status }) => status).sort()).toEqual([201, 409]);
  });

  it('K1: PATCH leaves what is absent; a version that is not the present one is refused', async () => {
    const { id } = await aProject(make, { description: 'first' });
    const before = await read(make.root, id);
    const patched = await make.root
      .patch(`${PROJECTS}/${id}`)
      .set('if-match', `"${before.version}"`)
      .send({ description: 'second' })
      .expect(200);
    expect(patched.body).toMatchObject({ name: before.name, description: 'second', version: before.version + 1 });
    expect(patched.headers.etag).toBe(`"${before.version + 1}"`);
    await make.root.patch(`${PROJECTS}/${id}`).set('if-match', `"${before.version}"`).send({ description: 'third' }).expect(412);
    await make.root.patch(`${PROJECTS}/${id}`).send({}).expect(200);
    expect((await read(make.root, id)).version).toBe(before.version + 1);
  });

  it('K1: members see their projects; of the others there is nothing', async () => {
    const { agent, user } = await aPerson(t, 'viewer');
    const [mine, other] = [await aProject(make), await aProject(make)];
    await setMembers(mine.id, { userId: user.id, role: 'member' });
    const list = (await agent.get(PROJECTS).expect(200)).body as { items: Project[]; total: number };
    expect([list.total, list.items.map(({ id }) => id)]).toEqual([1, [mine.id]]);
    await agent.get(`${PROJECTS}/${mine.id}`).expect(200);
    await agent.get(`${PROJECTS}/${other.id}`).expect(404);
    await agent.patch(`${PROJECTS}/${mine.id}`).send({ description: 'mine' }).expect(403);
    // A key of the member's sees what the member does.
    const { secret } = await aKeyOf(agent, { permissions: ['project:read'] });
    const seen = (await withKey(t, secret).get(PROJECTS).expect(200)).body as { total: number };
    expect(seen.total).toBe(1);
    const all = (await make.root.get(PROJECTS).query({ limit: 1000 }).expect(200)).body as { items: Project[] };
    expect(all.items.map(({ id }) => id)).toEqual(expect.arrayContaining([mine.id, other.id]));
    await setMembers(mine.id);
    await agent.get(`${PROJECTS}/${mine.id}`).expect(404);
  });

  it('K1: keys are bound to projects by their members alone', async () => {
    const { agent, user } = await aPerson(t, 'viewer');
    const { id } = await aProject(make);
    const wanted = { name: 'k', permissions: ['pool:read'], projectId: id };
    expect((await agent.post('/api/v1/me/keys').send(wanted).expect(422)).body).toMatchObject({ code: 'unknown_project' });
    await setMembers(id, { userId: user.id, role: 'owner' });
    await agent.post('/api/v1/me/keys').send(wanted).expect(201);
    const found = (await make.root.get('/api/v1/keys').query({ projectId: id }).expect(200)).body as { total: number };
    expect(found.total).toBe(1);
  });

  it('K1: a pool belongs to one project at most, whoever asks first; a pool that goes leaves it', async () => {
    const [a, b] = [await aProject(make), await aProject(make)];
    const pool = await make.aPool();
    const both = await Promise.all([a, b].map(({ id }) => make.root.put(`${PROJECTS}/${id}/pools`).send({ poolIds: [pool.id] })));
    expect(both.map(({ status }) => status).sort()).toEqual([200, 409]);
    expect(both.find(({ status }) => status === 409)?.body).toMatchObject({ code: 'pool_in_another_project' });
    const winner = both[0]?.status === 200 ? a : b;
    const unknown = { poolIds: ['01890000-0000-7000-8000-000000000000'] };
    expect((await make.root.put(`${PROJECTS}/${winner.id}/pools`).send(unknown).expect(422)).body).toMatchObject({ code: 'unknown_pool' });
    expect((await read(make.root, winner.id)).poolIds).toEqual([pool.id]);
    await make.root.delete(`/api/v1/ipam/pools/${pool.id}`).expect(204);
    expect((await read(make.root, winner.id)).poolIds).toEqual([]);
  });

  it('K1: archiving revokes the keys, one event each, and deletes nothing; then nothing changes any more', async () => {
    const project = await aProject(make);
    const pool = await make.aPool();
    await make.root
      .put(`${PROJECTS}/${project.id}/pools`)
      .send({ poolIds: [pool.id] })
      .expect(200);
    const keys = [await aKeyOfKind(make, 'tenant', { projectId: project.id }), await aKeyOfKind(make, 'public', { projectId: project.id })];
    const gone = await aKeyOfKind(make, 'admin', { projectId: project.id });
    await make.root.delete(`/api/v1/keys/${gone.id}`).expect(204);
    for (const { secret } of keys) await withKey(t, secret).get('/api/v1/ipam/pools').expect(200);

    await make.root.post(`${PROJECTS}/${project.id}/archive`).set('x-request-id', 'archiving').expect(200);
    for (const { secret } of keys) await withKey(t, secret).get('/api/v1/ipam/pools').expect(401);
    const events = await eventsOf(t, `correlation_id = 'archiving'`);
    expect(events.map(({ action, resource }) => `${action} ${resource?.id ?? ''}`).sort()).toEqual(
      [...keys.map(({ id }) => `key.revoked ${id}`), `project.archived ${project.id}`].sort(),
    );
    expect(await read(make.root, project.id)).toMatchObject({ archivedAt: expect.any(String) as string, poolIds: [pool.id] });
    for (const { id } of keys)
      expect((await make.root.get(`/api/v1/keys/${id}`)).body).toMatchObject({ state: 'revoked', revokeReason: 'project_archived' });
    for (const refused of [
      make.root.patch(`${PROJECTS}/${project.id}`).send({ name: 'again' }),
      make.root.put(`${PROJECTS}/${project.id}/members`).send({ members: [] }),
      make.root.put(`${PROJECTS}/${project.id}/pools`).send({ poolIds: [] }),
      make.root.post(`${PROJECTS}/${project.id}/archive`),
      make.root.post('/api/v1/me/keys').send({ name: 'k', permissions: ['pool:read'], projectId: project.id }),
    ])
      expect((await refused.expect(409)).body).toMatchObject({ code: 'project_archived' });
    const archived = (await make.root.get(PROJECTS).query({ archived: 'true' }).expect(200)).body as { items: Project[] };
    expect(archived.items.map(({ id }) => id)).toContain(project.id);
  });

  it('K1: accounts that own projects cannot be deleted', async () => {
    const { id: userId } = await createUser(t);
    await setMembers((await aProject(make)).id, { userId, role: 'owner' });
    await expect(t.sql('DELETE FROM users WHERE id = $1', [userId])).rejects.toMatchObject({ constraint: 'project_members_user' });
    const { id } = await anArchivedProject(make);
    expect((await read(make.root, id)).archivedAt).not.toBeNull();
  });
});
