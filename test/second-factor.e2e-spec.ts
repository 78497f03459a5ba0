import jwt from 'jsonwebtoken';
import { type Agent, type Response } from 'supertest';
import { eventsOf } from './support/audit-events.js';
import { Authenticator } from './support/authenticator.js';
import { codeOf, codesRest, createUserWithTotp, ticketFor } from './support/second-factor.js';
import { asRole, createUser, PASSWORD, signIn, type TestUser, withToken } from './support/sign-in.js';
import { tuneSignIn } from './support/sign-in-settings.js';
import { startTestApp, type TestApp } from './support/test-app.js';

const FACTORS = '/api/v1/me/second-factors';
const AUTH = '/api/v1/auth';
let t: TestApp;

const second = async (ticket: string, proof: object): Promise<Response> =>
  t.anonymous.post(`${AUTH}/second-factor`).send({ ticket, ...proof });
const codeIn = ({ body }: Response): unknown => (body as { code: string }).code;
const tokenIn = ({ body }: Response): string => (body as { accessToken: string }).accessToken;
const sidOf = (accessToken: string): string => (jwt.decode(accessToken) as { sid: string }).sid;

interface PasskeyOptions {
  challenge: string;
  rp?: { id?: string };
  rpId?: string;
  allowCredentials?: { id: string }[];
}

async function optionsFor(body: object = {}): Promise<PasskeyOptions> {
  return (await t.anonymous.post(`${AUTH}/passkey-options`).send(body).expect(200)).body as PasskeyOptions;
}

async function enrol(agent: Agent, authenticator: Authenticator, name = 'laptop'): Promise<Response> {
  const options = (await agent.post(`${FACTORS}/passkeys/options`).expect(200)).body as PasskeyOptions;
  return agent.post(`${FACTORS}/passkeys`).send({ name, response: authenticator.create(options) });
}

async function createUserWithPasskey(): Promise<{ user: TestUser; agent: Agent; authenticator: Authenticator }> {
  const user = await createUser(t, { roles: ['viewer'] });
  const agent = withToken(t, (await signIn(t, user)).accessToken);
  const authenticator = new Authenticator(t.url);
  expect((await enrol(agent, authenticator)).status).toBe(201);
  return { user, agent, authenticator };
}

beforeAll(async () => {
  t = await startTestApp({ CADASTRE_JOBS: 'false' });
});

afterAll(() => t.close());

describe('an authenticator app', () => {
  it('U18, ASVS 6.3.3: is set up by a code, and asked for at the next login', async () => {
    const user = await createUser(t, { roles: ['viewer'] });
    const agent = withToken(t, (await signIn(t, user)).accessToken);
    const begun = await agent.post(`${FACTORS}/totp`).expect(201);
    const { secret, uri } = begun.body as { secret: string; uri: string };
    expect([begun.headers['cache-control'], new URL(uri).searchParams.get('secret'), new URL(uri).protocol]).toEqual([
      'no-store',
      secret,
      'otpauth:',
    ]);
    // Until it is confirmed it counts for nothing.
    expect((await signIn(t, user)).accessToken).toBeDefined();
    expect(codeIn(await agent.post(`${FACTORS}/totp/confirm`).send({ code: '000000' }).expect(422))).toBe('wrong_code');
    const confirmed = await agent
      .post(`${FACTORS}/totp/confirm`)
      .send({ code: codeOf(secret) })
      .expect(200);
    expect(new Set((confirmed.body as { recoveryCodes: string[] }).recoveryCodes).size).toBe(10);
    expect((await agent.get(FACTORS).expect(200)).body).toMatchObject({
      totp: { confirmedAt: expect.any(String) as string },
      passkeys: [],
      recoveryCodesLeft: 10,
    });
    expect(codeIn(await agent.post(`${FACTORS}/totp`).expect(409))).toBe('totp_exists');

    const first = await t.anonymous.post(`${AUTH}/login`).send({ username: user.username, password: PASSWORD }).expect(200);
    expect(first.body).toEqual({
      secondFactorRequired: true,
      ticket: expect.stringMatching(/^[\w-]{43}$/) as string,
      expiresIn: 300,
      methods: ['code', 'recoveryCode'],
    });
    await codesRest(t, user.id);
    const opened = await second((first.body as { ticket: string }).ticket, { code: codeOf(secret) });
    expect([opened.status, opened.headers['cache-control']]).toEqual([200, 'no-store']);
    await withToken(t, tokenIn(opened)).get('/api/v1/me').expect(200);
    const sessions = await eventsOf(t, `action = 'login.succeeded' AND actor_id = $1`, user.id);
    expect(sessions.at(-1)).toMatchObject({ detail: { mode: 'tokens', methods: ['pwd', 'otp'] } });
    expect(await eventsOf(t, `action = 'second_factor.added' AND resource_id = $1`, user.id)).toMatchObject([
      { category: 'governance', after: { kind: 'totp' } },
    ]);
  });

  it('U18, ASVS 6.5.1: a code is good once, also for two who show it at the same moment', async () => {
    const { user, secret } = await createUserWithTotp(t, { roles: ['viewer'] });
    const tickets = [await ticketFor(t, user), await ticketFor(t, user), await ticketFor(t, user)];
    const code = codeOf(secret);
    const race = await Promise.all(tickets.slice(0, 2).map((ticket) => second(ticket, { code })));
    expect(race.map(({ status }) => status).sort()).toEqual([200, 401]);
    const replayed = await second(tickets[2]!, { code });
    expect([replayed.status, codeIn(replayed)]).toEqual([401, 'second_factor_failed']);
    // An earlier one is of no use either, once a later one was taken.
    expect((await second(tickets[2]!, { code: codeOf(secret, -1) })).status).toBe(401);
    expect((await second(tickets[2]!, { code: codeOf(secret, 1) })).status).toBe(200);
  });

  it('U18, ASVS 6.5.5: a code is good for half a minute, and the half before and after', async () => {
    const { user, secret } = await createUserWithTotp(t, { roles: ['viewer'] });
    const ticket = await ticketFor(t, user);
    expect((await second(ticket, { code: codeOf(secret, -3) })).status).toBe(401);
    expect((await second(ticket, { code: codeOf(secret, 3) })).status).toBe(401);
    expect((await second(ticket, { code: codeOf(secret) })).status).toBe(200);
  });

  it('U18: its secret is sealed for its owner, and in no event', async () => {
    const { user, secret, recoveryCodes } = await createUserWithTotp(t, { roles: ['viewer'] });
    const other = await createUserWithTotp(t, { roles: ['viewer'] });
    const rows = await t.sql<{ row: string }>(
      `SELECT to_jsonb(x)::text AS row FROM totp_secrets x UNION ALL SELECT to_jsonb(x)::text FROM recovery_codes x
       UNION ALL SELECT payload FROM audit_events`,
    );
    for (const hidden of [secret, Buffer.from(secret).toString('hex'), ...recoveryCodes])
      expect(rows.filter(({ row }) => row.includes(hidden))).toEqual([]);
    // Copied to another row, it opens nothing.
    await t.sql('UPDATE totp_secrets SET sealed_secret = (SELECT sealed_secret FROM totp_secrets WHERE user_id = $1) WHERE user_id = $2', [
      other.user.id,
      user.id,
    ]);
    expect((await second(await ticketFor(t, user), { code: codeOf(other.secret) })).status).not.toBe(200);
  });

  it('U18: is removed by its owner, and its recovery codes with it', async () => {
    const { user, agent } = await createUserWithTotp(t, { roles: ['viewer'] });
    await agent.delete(`${FACTORS}/totp`).expect(204);
    expect((await agent.get(FACTORS)).body).toEqual({ totp: null, passkeys: [], recoveryCodesLeft: 0 });
    expect((await signIn(t, user)).accessToken).toBeDefined();
    expect(codeIn(await agent.delete(`${FACTORS}/totp`).expect(404))).toBe('totp_not_found');
    expect(codeIn(await agent.post(`${FACTORS}/recovery-codes`).expect(409))).toBe('no_second_factor');
    expect(await eventsOf(t, `action = 'second_factor.removed' AND resource_id = $1`, user.id)).toHaveLength(1);
  });
});

describe('a sign-in between its steps', () => {
  it('U18, ASVS 6.4.3: opens one session, also for two who answer at once', async () => {
    const { user, recoveryCodes } = await createUserWithTotp(t, { roles: ['viewer'] });
    const ticket = await ticketFor(t, user);
    const race = await Promise.all(recoveryCodes.slice(0, 5).map((recoveryCode) => second(ticket, { recoveryCode })));
    expect(race.map(({ status }) => status).sort()).toEqual([200, 401, 401, 401, 401]);
    expect(codeIn(await second(ticket, { recoveryCode: recoveryCodes[6] }))).toBe('ticket_refused');
  });

  it('U18: lasts five minutes, and ends when the password changes or the account is deactivated', async () => {
    const { user, agent, secret } = await createUserWithTotp(t, { roles: ['viewer'] });
    const late = await ticketFor(t, user);
    await t.sql(`UPDATE one_time_tokens SET expires_at = expires_at - interval '5 minutes' WHERE user_id = $1`, [user.id]);
    expect(codeIn(await second(late, { code: codeOf(secret) }))).toBe('ticket_refused');
    const stale = await ticketFor(t, user);
    await agent.post('/api/v1/me/password').send({ currentPassword: PASSWORD, newPassword: 'a heron where the river bends' }).expect(204);
    expect(codeIn(await second(stale, { code: codeOf(secret) }))).toBe('ticket_refused');
    const changed = { ...user, password: 'a heron where the river bends' };
    const orphan = await ticketFor(t, changed);
    await (await asRole(t, 'admin')).patch(`/api/v1/users/${user.id}`).send({ active: false }).expect(200);
    expect(codeIn(await second(orphan, { code: codeOf(secret) }))).toBe('ticket_refused');
    expect(codeIn(await second('x'.repeat(43), { code: codeOf(secret) }))).toBe('ticket_refused');
  });

  it('U8, U18, ASVS 6.3.1: wrong answers count like wrong passwords, and a right password does not win new ones', async () => {
    const { user, secret } = await createUserWithTotp(t, { roles: ['viewer'] });
    for (let i = 0; i < 5; i++) expect((await second(await ticketFor(t, user), { code: '000000' })).status).toBe(401);
    const locked = await t.anonymous.post(`${AUTH}/login`).send({ username: user.username, password: PASSWORD });
    expect([locked.status, codeIn(locked)]).toEqual([423, 'login_locked']);
    await (await asRole(t, 'admin')).post(`/api/v1/users/${user.id}/unlock`).expect(204);
    const ticket = await ticketFor(t, user);
    expect((await second(ticket, { code: codeOf(secret) })).status).toBe(200);
    const failures = await eventsOf(t, `action = 'login.failed' AND resource_id = $1`, user.id);
    expect(failures.map(({ detail }) => detail)).toEqual(Array.from({ length: 5 }, () => ({ reason: 'wrong_code' })));
    expect(await eventsOf(t, `action = 'login.locked' AND resource_id = $1`, user.id)).toHaveLength(1);
  });

  it('U18: wants exactly one proof', async () => {
    const { user, secret, recoveryCodes } = await createUserWithTotp(t, { roles: ['viewer'] });
    const ticket = await ticketFor(t, user);
    for (const proof of [{}, { code: codeOf(secret), recoveryCode: recoveryCodes[0] }]) {
      const refused = await second(ticket, proof);
      expect([refused.status, codeIn(refused)]).toEqual([422, 'one_proof']);
    }
    expect((await second(ticket, { code: codeOf(secret) })).status).toBe(200);
  });
});

describe('recovery codes', () => {
  it('U18: are good once each, however they are typed, and can be made anew', async () => {
    const { user, agent, recoveryCodes } = await createUserWithTotp(t, { roles: ['viewer'] });
    const typed = recoveryCodes[0]!.toUpperCase().replaceAll('-', ' ');
    expect((await second(await ticketFor(t, user), { recoveryCode: typed })).status).toBe(200);
    expect((await second(await ticketFor(t, user), { recoveryCode: recoveryCodes[0] })).status).toBe(401);
    expect((await agent.get(FACTORS)).body).toMatchObject({ recoveryCodesLeft: 9 });
    const renewed = (await agent.post(`${FACTORS}/recovery-codes`).expect(201)).body as { recoveryCodes: string[] };
    expect(renewed.recoveryCodes).toHaveLength(10);
    expect((await second(await ticketFor(t, user), { recoveryCode: recoveryCodes[1] })).status).toBe(401);
    expect((await second(await ticketFor(t, user), { recoveryCode: renewed.recoveryCodes[1] })).status).toBe(200);
    expect(await eventsOf(t, `action = 'recovery_codes.replaced' AND resource_id = $1`, user.id)).toHaveLength(1);
  });
});

describe('a passkey', () => {
  it('U18, ASVS 6.3.3: is a second factor', async () => {
    const { user, agent, authenticator } = await createUserWithPasskey();
    expect((await agent.get(FACTORS)).body).toMatchObject({
      totp: null,
      passkeys: [{ name: 'laptop', lastUsedAt: null }],
      recoveryCodesLeft: 10,
    });
    const ticket = await ticketFor(t, user);
    const options = await optionsFor({ ticket });
    expect(options.allowCredentials?.map(({ id }) => id)).toEqual([authenticator.id.toString('base64url')]);
    const passkey = authenticator.get(options);
    expect((await second(ticket, { passkey })).status).toBe(200);
    // The same answer again is an answer to no challenge.
    expect((await second(await ticketFor(t, user), { passkey })).status).toBe(401);
  });

  it('U18: is all it takes to sign in, when it has verified its user', async () => {
    const { user, authenticator } = await createUserWithPasskey();
    const response = authenticator.get(await optionsFor());
    const opened = await t.anonymous.post(`${AUTH}/passkey`).send({ response });
    expect([opened.status, opened.headers['cache-control']]).toEqual([200, 'no-store']);
    expect((await withToken(t, tokenIn(opened)).get('/api/v1/me').expect(200)).body).toMatchObject({ username: user.username });
    expect(await t.sql('SELECT methods FROM auth_sessions WHERE id = $1', [sidOf(tokenIn(opened))])).toEqual([{ methods: ['swk'] }]);
    await t.anonymous.post(`${AUTH}/passkey`).send({ response }).expect(401);
    const [row] = await t.sql<{ noted: boolean }>('SELECT last_login_at IS NOT NULL AS noted FROM users WHERE id = $1', [user.id]);
    expect(row?.noted).toBe(true);
  });

  it('U18: is refused for whatever is wrong with its answer, and the refusals count', async () => {
    const { user, authenticator } = await createUserWithPasskey();
    const stranger = new Authenticator(t.url);
    const tampered = (change: (response: Record<string, string>) => void, made: Record<string, unknown>): Record<string, unknown> => {
      const response = { ...(made.response as Record<string, string>) };
      change(response);
      return { ...made, response };
    };
    const elsewhere = Object.assign(Object.create(authenticator) as Authenticator, { origin: 'https://evil.example.net' });
    const wrong: [string, () => Promise<Record<string, unknown>>][] = [
      ['an authenticator nobody knows', async () => stranger.get(await optionsFor())],
      ['another origin', async () => elsewhere.get(await optionsFor())],
      ['another domain', async () => authenticator.get({ ...(await optionsFor()), rpId: 'evil.example.net' })],
      ['a challenge of its own', () => Promise.resolve(authenticator.get({ challenge: 'x'.repeat(43), rpId: '127.0.0.1' }))],
      [
        'the challenge of a second step',
        async () => {
          const { user: other } = await createUserWithTotp(t, { roles: ['viewer'] });
          return authenticator.get(await optionsFor({ ticket: await ticketFor(t, other) }));
        },
      ],
      [
        'another signature',
        async () =>
          tampered(
            (r) => {
              r.signature = (stranger.get({ challenge: 'x', rpId: '127.0.0.1' }).response as Record<string, string>).signature!;
            },
            authenticator.get(await optionsFor()),
          ),
      ],
    ];
    tuneSignIn(t, { lockFailures: 100 });
    for (const [what, make] of wrong) {
      const answer = await t.anonymous.post(`${AUTH}/passkey`).send({ response: await make() });
      expect([what, answer.status, codeIn(answer)]).toEqual([what, 401, 'login_failed']);
    }
    tuneSignIn(t, { lockFailures: 5 });
    expect(await eventsOf(t, `action = 'login.failed' AND resource_id = $1`, user.id)).toHaveLength(5);
    // A counter that goes back is a copy (WebAuthn §6.1.1).
    await t.sql('UPDATE passkeys SET sign_count = 1000 WHERE user_id = $1', [user.id]);
    await t.anonymous
      .post(`${AUTH}/passkey`)
      .send({ response: authenticator.get(await optionsFor()) })
      .expect(401);
    const inactive = await createUserWithPasskey();
    await t.sql('UPDATE users SET active = false WHERE id = $1', [inactive.user.id]);
    await t.anonymous
      .post(`${AUTH}/passkey`)
      .send({ response: inactive.authenticator.get(await optionsFor()) })
      .expect(401);
  });

  it('U18: that has not verified its user is a second factor, not a first', async () => {
    const user = await createUser(t, { roles: ['viewer'] });
    const agent = withToken(t, (await signIn(t, user)).accessToken);
    const authenticator = new Authenticator(t.url, { verifiesUser: false });
    expect((await enrol(agent, authenticator, 'key')).status).toBe(201);
    await t.anonymous
      .post(`${AUTH}/passkey`)
      .send({ response: authenticator.get(await optionsFor()) })
      .expect(401);
    const ticket = await ticketFor(t, user);
    expect((await second(ticket, { passkey: authenticator.get(await optionsFor({ ticket })) })).status).toBe(200);
  });

  it('U18: is registered by an answer to a challenge of this session alone, and once', async () => {
    const { agent, authenticator } = await createUserWithPasskey();
    const again = await enrol(agent, authenticator);
    expect([again.status, codeIn(again)]).toEqual([409, 'passkey_exists']);
    const { agent: other } = await createUserWithPasskey();
    const options = (await other.post(`${FACTORS}/passkeys/options`).expect(200)).body as PasskeyOptions;
    const stolen = await agent.post(`${FACTORS}/passkeys`).send({ name: 'x', response: new Authenticator(t.url).create(options) });
    expect([stolen.status, codeIn(stolen)]).toEqual([422, 'passkey_refused']);
    expect((await agent.post(`${FACTORS}/passkeys`).send({ name: 'x', response: {} })).status).toBe(422);
  });

  it('U18: is removed by its owner alone', async () => {
    const { user, agent } = await createUserWithPasskey();
    const { passkeys } = (await agent.get(FACTORS)).body as { passkeys: { id: string }[] };
    const path = `${FACTORS}/passkeys/${passkeys[0]!.id}`;
    await (await createUserWithPasskey()).agent.delete(path).expect(404);
    await agent.delete(path).expect(204);
    expect((await signIn(t, user)).accessToken).toBeDefined();
  });

  it('U18: belongs to the origins that are set; without any, to this machine', async () => {
    const elsewhere = await t.anonymous.post(`${AUTH}/passkey-options`).set('host', 'evil.example.net').send({});
    expect([elsewhere.status, codeIn(elsewhere)]).toEqual([501, 'passkeys_not_set_up']);
    tuneSignIn(t, { passkeyOrigins: ['https://cadastre.example.net'], passkeyDomain: 'example.net' });
    try {
      const answer = await t.anonymous.post(`${AUTH}/passkey-options`).set('host', 'evil.example.net').send({}).expect(200);
      expect(answer.body).toMatchObject({ rpId: 'example.net' });
    } finally {
      tuneSignIn(t, { passkeyOrigins: [], passkeyDomain: '' });
    }
  });
});

describe('a role that asks for a second factor', () => {
  afterEach(() => t.sql('UPDATE roles SET second_factor_required = false'));

  it('U18, ASVS 6.3.3: lets its holders do nothing but set one up until they have', async () => {
    const user = await createUser(t, { roles: ['operator'] });
    await t.sql(`UPDATE roles SET second_factor_required = true WHERE name = 'operator'`);
    const agent = withToken(t, (await signIn(t, user)).accessToken);
    await agent.get('/api/v1/ipam/vrfs').expect(403);
    expect((await agent.get('/api/v1/me').expect(200)).body).toMatchObject({
      secondFactorRequired: true,
      permissions: ['profile:read', 'profile:write'],
    });
    const { secret } = (await agent.post(`${FACTORS}/totp`).expect(201)).body as { secret: string };
    await agent
      .post(`${FACTORS}/totp/confirm`)
      .send({ code: codeOf(secret) })
      .expect(200);
    await agent.get('/api/v1/ipam/vrfs').expect(200);
    expect((await agent.get('/api/v1/me').expect(200)).body).toMatchObject({ secondFactorRequired: false });
    await codesRest(t, user.id);
    const opened = await second(await ticketFor(t, user), { code: codeOf(secret) });
    await withToken(t, tokenIn(opened)).get('/api/v1/ipam/vrfs').expect(200);
  });

  it('U18: does not concern others, nor sessions that have one', async () => {
    const { agent } = await createUserWithTotp(t, { roles: ['operator'] });
    const viewer = await asRole(t, 'viewer');
    await t.sql(`UPDATE roles SET second_factor_required = true WHERE name = 'operator'`);
    await agent.get('/api/v1/ipam/vrfs').expect(200);
    await viewer.get('/api/v1/ipam/vrfs').expect(200);
  });
});

describe('an administrator', () => {
  it('U18: takes away the second factors of somebody who lost them, which is noted as grave', async () => {
    const { user } = await createUserWithTotp(t, { roles: ['viewer'] });
    const path = `/api/v1/users/${user.id}/second-factors`;
    await (await asRole(t, 'operator')).delete(path).expect(403);
    const admin = await asRole(t, 'admin');
    await admin.delete(path).expect(204);
    expect((await signIn(t, user)).accessToken).toBeDefined();
    await admin.delete(path).expect(204);
    expect(await eventsOf(t, `action = 'user.second_factors_removed' AND resource_id = $1`, user.id)).toMatchObject([
      { category: 'governance', severity: 'high', detail: { totp: true, passkeys: 0 } },
    ]);
    const superuser = await createUserWithTotp(t, { roles: ['superuser'] });
    await admin.delete(`/api/v1/users/${superuser.user.id}/second-factors`).expect(403);
  });
});
