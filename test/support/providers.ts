import supertest, { type Agent, type Response } from 'supertest';
import { eventsOf } from './audit-events.js';
import { type TestApp } from './test-app.js';

/** Where browsers see the application in these tests; nothing listens there. */
export const PUBLIC_URL = 'https://cadastre.example.net';

const PROVIDERS = '/api/v1/identity-providers';
let made = 0;

export interface MadeProvider {
  id: string;
  slug: string;
  version: number;
}

export async function aProvider(root: Agent, config: object, more: object = {}): Promise<MadeProvider> {
  const answer = await root.post(PROVIDERS).send({ slug: `idp-${++made}`, name: 'Corporate', config, ...more });
  if (answer.status !== 201) throw new Error(`The provider was refused: ${answer.text}`);
  return answer.body as MadeProvider;
}

/** A browser: it keeps the one cookie there is, although it is for https alone. */
export class Browser {
  private cookie = '';

  constructor(private readonly t: TestApp) {}

  post(path: string, body: object, token?: string): Promise<Response> {
    const request = supertest(this.t.url).post(path).set('cookie', this.cookie);
    if (token !== undefined) void request.set('authorization', `Bearer ${token}`);
    return request.send(body).then((answer) => this.keep(answer));
  }

  get(path: string): Promise<Response> {
    return supertest(this.t.url)
      .get(path)
      .set('cookie', this.cookie)
      .then((answer) => this.keep(answer));
  }

  /** As another site's page does it: browsers send no SameSite=Lax cookie along. */
  postForm(path: string, form: Record<string, string>): Promise<Response> {
    return supertest(this.t.url)
      .post(path)
      .type('form')
      .send(form)
      .then((answer) => answer);
  }

  /** Leaves for a provider; where it is sent. */
  async leave(slug: string, returnTo = '/'): Promise<string> {
    const answer = await this.post(`/api/v1/auth/providers/${slug}/start`, { returnTo });
    if (answer.status !== 200) throw new Error(`The start was refused: ${answer.text}`);
    return (answer.body as { authorizationUrl: string }).authorizationUrl;
  }

  /** Collects the tokens for the code in an address. */
  exchange(location: string | undefined): Promise<Response> {
    return this.post('/api/v1/auth/exchange', { code: codeIn(location) });
  }

  private keep(answer: Response): Response {
    const [cookie] = answer.get('Set-Cookie') ?? [];
    if (cookie !== undefined) this.cookie = cookie.split(';')[0] ?? '';
    return answer;
  }
}

export function codeIn(location: string | undefined): string {
  return new URL(location ?? '/', PUBLIC_URL).searchParams.get('code') ?? '';
}

/** Who an access token belongs to. */
export async function whoIs(
  t: TestApp,
  answer: Response,
): Promise<{ id: string; username: string; roles: string[]; email: string | null; displayName: string }> {
  const { accessToken } = answer.body as { accessToken: string };
  const me = await t.anonymous.get('/api/v1/me').set('authorization', `Bearer ${accessToken}`);
  if (me.status !== 200) throw new Error(`The token is not good: ${me.text}`);
  return me.body as { id: string; username: string; roles: string[]; email: string | null; displayName: string };
}

/** How many events of these there are about a provider. */
export async function loginsOf(t: TestApp, action: 'login.succeeded' | 'login.failed', slug: string): Promise<{ detail?: unknown }[]> {
  const events = await eventsOf(t, 'action = $1', action);
  return events.filter(({ detail }) => (detail as { provider?: string } | undefined)?.provider === slug);
}
