import { type Agent } from 'supertest';
import { Authenticator } from '../authenticator.js';
import { type ExampleCall, type RouteExample, type Trace } from '../route-example.js';
import { codeOf, createUserWithTotp, ticketFor } from '../second-factor.js';
import { createUser, PASSWORD, signIn, type TestUser, withToken } from '../sign-in.js';
import { type TestApp } from '../test-app.js';

const API = '/api/v1';
const FACTORS = `${API}/me/second-factors`;
const NEW_PASSWORD = 'heron under the loud viaduct';

const trace = (action: string, on: string, category: Trace['category'], keeps: Trace['keeps'] = 'nothing'): Trace => ({
  action,
  category,
  on,
  keeps,
});
const ended = trace('session.ended', 'session', 'access');
const CHALLENGE = 'a challenge has no effect until it is answered';
const NOTHING_CONFLICTS = 'nothing conflicts with it';

interface Person {
  agent: Agent;
  user: TestUser;
}

async function aPerson(t: TestApp): Promise<Person> {
  const user = await createUser(t, { roles: ['viewer'] });
  return { agent: withToken(t, (await signIn(t, user)).accessToken), user };
}

/** The id of a session beside the one that calls. */
async function anotherSession(t: TestApp, user: TestUser): Promise<string> {
  await signIn(t, user);
  const [session] = await t.sql<{ id: string }>('SELECT id FROM auth_sessions WHERE user_id = $1 ORDER BY id DESC LIMIT 1', [user.id]);
  return session?.id ?? '';
}

async function begunTotp({ agent }: Person): Promise<string> {
  return ((await agent.post(`${FACTORS}/totp`).expect(201)).body as { secret: string }).secret;
}

async function newPasskey({ agent }: Person, authenticator: Authenticator): Promise<Record<string, unknown>> {
  const options = await agent.post(`${FACTORS}/passkeys/options`).expect(200);
  return { name: 'laptop', response: authenticator.create(options.body as { challenge: string }) };
}

async function aPasskey(t: TestApp): Promise<Person & { id: string; authenticator: Authenticator }> {
  const person = await aPerson(t);
  const authenticator = new Authenticator(t.url);
  const made = await person.agent.post(`${FACTORS}/passkeys`).send(await newPasskey(person, authenticator));
  return { ...person, authenticator, id: (made.body as { id: string }).id };
}

const aTotp = async (t: TestApp): Promise<Person> => createUserWithTotp(t, { roles: ['viewer'] });
const byThem = (path: string, { agent, user }: Person, body?: Record<string, unknown>): ExampleCall => ({
  path,
  by: { agent, user },
  ...(body ? { body } : {}),
});

export const signInExamples: Record<string, RouteExample> = {
  'POST /api/v1/auth/second-factor': {
    public: true,
    works: async ({ t }) => {
      const { user, recoveryCodes } = await createUserWithTotp(t, { roles: ['viewer'] });
      const body = { ticket: await ticketFor(t, user), recoveryCode: recoveryCodes[0] };
      return byThem(`${API}/auth/second-factor`, { agent: t.anonymous, user }, body);
    },
    leaves: [trace('login.succeeded', 'session', 'access')],
    fails: 'what it refuses is 401 and login.failed: second-factor',
  },
  'POST /api/v1/auth/passkey-options': {
    public: true,
    works: async ({ t }) => byThem(`${API}/auth/passkey-options`, { agent: t.anonymous, user: await createUser(t) }, {}),
    leaves: [],
    fails: CHALLENGE,
  },
  'POST /api/v1/auth/passkey': {
    public: true,
    works: async ({ t }) => {
      const { user, authenticator } = await aPasskey(t);
      const options = await t.anonymous.post(`${API}/auth/passkey-options`).send({}).expect(200);
      return byThem(
        `${API}/auth/passkey`,
        { agent: t.anonymous, user },
        { response: authenticator.get(options.body as { challenge: string }) },
      );
    },
    leaves: [trace('login.succeeded', 'session', 'access')],
    fails: 'what it refuses is 401 and login.failed: second-factor',
  },
  'POST /api/v1/auth/password-reset': {
    public: true,
    works: async ({ t, root }) => {
      const user = await createUser(t, { roles: ['viewer'] });
      const { token } = (await root.post(`${API}/users/${user.id}/password-reset`).expect(201)).body as { token: string };
      return byThem(`${API}/auth/password-reset`, { agent: t.anonymous, user }, { token, newPassword: NEW_PASSWORD });
    },
    leaves: [trace('user.password_reset', 'user', 'governance')],
    fails: 'what it refuses is 401: passwords',
  },
  'POST /api/v1/auth/step-up': {
    works: async ({ t }) => byThem(`${API}/auth/step-up`, await aPerson(t), { password: PASSWORD }),
    leaves: [trace('session.proven', 'session', 'access')],
    fails: 'a wrong proof is 422 and session.proof_refused: login-sessions',
  },
  'POST /api/v1/auth/step-up/passkey-options': {
    works: async ({ t }) => byThem(`${API}/auth/step-up/passkey-options`, await aPerson(t)),
    leaves: [],
    fails: CHALLENGE,
  },
  'POST /api/v1/users/:id/password-reset': {
    works: async ({ t }) => ({ path: `${API}/users/${(await createUser(t)).id}/password-reset` }),
    leaves: [trace('user.password_reset_issued', 'user', 'governance')],
    fails: { status: 409, call: async ({ t }) => ({ path: `${API}/users/${(await createUser(t, { active: false })).id}/password-reset` }) },
  },
  'POST /api/v1/users/:id/unlock': {
    works: async ({ t }) => ({ path: `${API}/users/${(await createUser(t)).id}/unlock` }),
    leaves: [trace('user.unlocked', 'user', 'governance')],
    fails: NOTHING_CONFLICTS,
  },
  'DELETE /api/v1/users/:id/second-factors': {
    works: async ({ t }) => ({ path: `${API}/users/${(await aTotp(t)).user.id}/second-factors` }),
    leaves: [trace('user.second_factors_removed', 'user', 'governance')],
    fails: NOTHING_CONFLICTS,
  },
  'DELETE /api/v1/users/:id/sessions': {
    works: async ({ t }) => {
      const { user } = await aPerson(t);
      await anotherSession(t, user);
      return { path: `${API}/users/${user.id}/sessions` };
    },
    leaves: [ended, ended],
    fails: NOTHING_CONFLICTS,
  },
  'DELETE /api/v1/sessions/:id': {
    works: async ({ t }) => ({ path: `${API}/sessions/${await anotherSession(t, await createUser(t))}` }),
    leaves: [ended],
    fails: 'a session that is over is 404',
  },
  'DELETE /api/v1/me/sessions/:id': {
    works: async ({ t }) => {
      const person = await aPerson(t);
      return byThem(`${API}/me/sessions/${await anotherSession(t, person.user)}`, person);
    },
    leaves: [ended],
    fails: 'a session that is over is 404',
  },
  'DELETE /api/v1/me/sessions': {
    works: async ({ t }) => {
      const person = await aPerson(t);
      await anotherSession(t, person.user);
      return byThem(`${API}/me/sessions`, person);
    },
    leaves: [ended],
    fails: NOTHING_CONFLICTS,
  },
  'POST /api/v1/me/second-factors/totp': {
    works: async ({ t }) => byThem(`${FACTORS}/totp`, await aPerson(t)),
    // It counts for nothing until its first code.
    leaves: [],
    fails: 'totp_exists: second-factor',
  },
  'POST /api/v1/me/second-factors/totp/confirm': {
    works: async ({ t }) => {
      const person = await aPerson(t);
      const secret = await begunTotp(person);
      return byThem(`${FACTORS}/totp/confirm`, person, { code: codeOf(secret) });
    },
    leaves: [trace('second_factor.added', 'second_factor', 'governance', 'after')],
    fails: 'a wrong code is 422',
  },
  'DELETE /api/v1/me/second-factors/totp': {
    works: async ({ t }) => {
      const person = await aTotp(t);
      return byThem(`${FACTORS}/totp`, person);
    },
    leaves: [trace('second_factor.removed', 'second_factor', 'governance', 'before')],
    fails: NOTHING_CONFLICTS,
  },
  'POST /api/v1/me/second-factors/recovery-codes': {
    works: async ({ t }) => byThem(`${FACTORS}/recovery-codes`, await aTotp(t)),
    leaves: [trace('recovery_codes.replaced', 'user', 'governance')],
    fails: { status: 409, call: () => Promise.resolve({ path: `${FACTORS}/recovery-codes` }) },
  },
  'POST /api/v1/me/second-factors/passkeys/options': {
    works: async ({ t }) => byThem(`${FACTORS}/passkeys/options`, await aPerson(t)),
    leaves: [],
    fails: CHALLENGE,
  },
  'POST /api/v1/me/second-factors/passkeys': {
    works: async ({ t }) => {
      const person = await aPerson(t);
      return byThem(`${FACTORS}/passkeys`, person, await newPasskey(person, new Authenticator(t.url)));
    },
    leaves: [trace('second_factor.added', 'second_factor', 'governance', 'after')],
    fails: 'passkey_exists: second-factor',
  },
  'DELETE /api/v1/me/second-factors/passkeys/:id': {
    works: async ({ t }) => {
      const person = await aPasskey(t);
      return byThem(`${FACTORS}/passkeys/${person.id}`, person);
    },
    leaves: [trace('second_factor.removed', 'second_factor', 'governance', 'before')],
    fails: NOTHING_CONFLICTS,
  },
};
