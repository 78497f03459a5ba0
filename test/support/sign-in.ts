import { randomBytes } from 'node:crypto';
import supertest, { type Agent } from 'supertest';
import { type TestApp } from './test-app.js';

/** The password of every user made here, and its hash: making one afresh for each user would cost a test run seconds. */
export const PASSWORD = 'kestrel over the quiet harbour';
const PASSWORD_HASH = '$argon2id$v=19$m=19456,t=2,p=1$cPWsfUfmYdKX9rRPE5HuyQ$ZFApgBQ1fpKWx1TSdh76fr9xPPUe4Saazsp34SoaxiM';

export interface TestUser {
  id: string;
  username: string;
  password: string;
}

export interface TestUserOptions {
  roles?: readonly string[];
  username?: string;
  active?: boolean;
  mustChangePassword?: boolean;
}

/** A user past the application: with no roles when none are named, which permits nothing. */
export async function createUser(t: TestApp, options: TestUserOptions = {}): Promise<TestUser> {
  const { roles = [], active = true, mustChangePassword = false } = options;
  const username = options.username ?? `${roles[0] ?? 'stranger'}-${randomBytes(4).toString('hex')}`;
  const [user] = await t.sql<{ id: string }>(
    `INSERT INTO users (username, password_hash, active, must_change_password) VALUES ($1, $2, $3, $4) RETURNING id`,
    [username, PASSWORD_HASH, active, mustChangePassword],
  );
  if (!user) throw new Error('The user was not made.');
  const assigned = await t.sql(
    `INSERT INTO user_roles (user_id, role_id, assigned_by) SELECT $1, r.id, 'test' FROM roles r WHERE r.name = ANY ($2::text[]) RETURNING role_id`,
    [user.id, roles],
  );
  if (assigned.length !== roles.length) throw new Error(`Some of these roles do not exist: ${roles.join(', ')}`);
  return { id: user.id, username, password: PASSWORD };
}

/** The tokens of a login over HTTP. */
export async function signIn(t: TestApp, user: TestUser): Promise<{ accessToken: string; refreshToken: string }> {
  const answer = await t.anonymous.post('/api/v1/auth/login').send({ username: user.username, password: user.password }).expect(200);
  return answer.body as { accessToken: string; refreshToken: string };
}

/** Calls with this access token. */
export function withToken(t: TestApp, accessToken: string): Agent {
  return supertest.agent(t.url).set('authorization', `Bearer ${accessToken}`);
}

/** Calls as a new user with exactly these roles. */
export async function asRole(t: TestApp, ...roles: string[]): Promise<Agent> {
  const { accessToken } = await signIn(t, await createUser(t, { roles }));
  return withToken(t, accessToken);
}
