import { generateSync } from 'otplib';
import { type Agent } from 'supertest';
import { createUser, signIn, type TestUser, type TestUserOptions, withToken } from './sign-in.js';
import { type TestApp } from './test-app.js';

const FACTORS = '/api/v1/me/second-factors';

/** The code that an authenticator app shows in this step, or so many steps from it. */
export function codeOf(secret: string, steps = 0): string {
  return generateSync({ secret, epoch: Math.floor(Date.now() / 1000) + steps * 30 });
}

/** As if the codes used so far had been used long ago. */
export async function codesRest(t: TestApp, userId: string): Promise<void> {
  await t.sql('UPDATE totp_secrets SET last_step = last_step - 100 WHERE user_id = $1', [userId]);
}

export interface WithTotp {
  user: TestUser;
  agent: Agent;
  secret: string;
  recoveryCodes: string[];
}

/** A user who has just set up an authenticator app, signed in. */
export async function createUserWithTotp(t: TestApp, options: TestUserOptions = {}): Promise<WithTotp> {
  const user = await createUser(t, options);
  const agent = withToken(t, (await signIn(t, user)).accessToken);
  const { secret } = (await agent.post(`${FACTORS}/totp`).expect(201)).body as { secret: string };
  const confirmed = await agent
    .post(`${FACTORS}/totp/confirm`)
    .send({ code: codeOf(secret) })
    .expect(200);
  await codesRest(t, user.id);
  return { user, agent, secret, recoveryCodes: (confirmed.body as { recoveryCodes: string[] }).recoveryCodes };
}

/** The first step of signing in; its ticket. */
export async function ticketFor(t: TestApp, user: TestUser, more: object = {}): Promise<string> {
  const { username, password } = user;
  const answer = await t.anonymous.post('/api/v1/auth/login').send({ username, password, ...more });
  if (answer.status !== 200) throw new Error(`The first step was answered ${answer.status}: ${answer.text}`);
  return (answer.body as { ticket: string }).ticket;
}
