import { type Builders } from '../builders.js';
import { OidcIdp } from '../oidc-idp.js';
import { aProvider, type MadeProvider } from '../providers.js';
import { type ExampleCall, type RouteExample } from '../route-example.js';
import { SamlIdp } from '../saml-idp.js';
import { createUser, signIn, type TestUser, withToken } from '../sign-in.js';
import { startTinyDirectory } from '../tiny-directory.js';

const PROVIDERS = '/api/v1/identity-providers';
const AUTH = '/api/v1/auth/providers';
const MINE = '/api/v1/me/identities';
const STALE = { 'if-match': '"99"' };
const PASSWORD = 'a word known to the directory';
const CLIENT = 'cadastre';
/** What the tiny directory calls its one person. */
const ADA = '01890000-0000-7000-8000-0000000000ad';

/** Made once: starting them for each call would cost more than the call. */
let directory: Promise<string> | undefined;
let openId: Promise<OidcIdp> | undefined;
const saml = new SamlIdp();

const ldapConfig = (url = 'ldap://127.0.0.1:1'): object => ({ kind: 'ldap', url, tls: 'none', userBase: 'ou=people,dc=example,dc=net' });
const samlConfig = { kind: 'saml', entryPoint: saml.entryPoint, idpEntityId: saml.entityId, idpCertificates: [saml.certificate] };

async function aDirectory(make: Builders): Promise<MadeProvider> {
  directory ??= startTinyDirectory(PASSWORD);
  return aProvider(make.root, ldapConfig(await directory));
}

const body = (make: Builders): Record<string, unknown> => ({
  slug: make.name('provider'),
  name: 'Corporate',
  enabled: true,
  config: ldapConfig(),
  secrets: { bindPassword: 'a word of the program' },
  roleMap: [{ group: 'netops', role: 'operator' }],
  defaultRoles: ['viewer'],
  createsAccounts: true,
  mayGrantSuperuser: false,
});

async function aPerson({ t }: Builders): Promise<Required<ExampleCall>['by']> {
  const user = await createUser(t, { roles: ['viewer'] });
  return { agent: withToken(t, (await signIn(t, user)).accessToken), user };
}

function link({ t }: Builders, provider: MadeProvider, user: TestUser, externalId: string): Promise<unknown> {
  return t.sql('INSERT INTO user_identities (provider_id, external_id, user_id) VALUES ($1, $2, $3)', [provider.id, externalId, user.id]);
}

interface Left {
  form: Record<string, string>;
  headers: { cookie: string };
}

/** A browser that went to the SAML provider and holds its answer. */
async function leave(make: Builders, provider: MadeProvider, by?: ExampleCall['by']): Promise<Left> {
  const path = by ? `${MINE}/${provider.slug}/start` : `${AUTH}/${provider.slug}/start`;
  const answer = await (by?.agent ?? make.t.anonymous).post(path).send({}).expect(200);
  const [cookie = ''] = answer.get('Set-Cookie') ?? [];
  const { authorizationUrl } = answer.body as { authorizationUrl: string };
  return { form: { ...saml.answer(authorizationUrl) }, headers: { cookie: cookie.split(';')[0] ?? '' } };
}

/** The same, come back: it holds a code. */
async function comeBack(
  make: Builders,
  provider: MadeProvider,
  by?: ExampleCall['by'],
): Promise<{ code: string; headers: Left['headers'] }> {
  const { form, headers } = await leave(make, provider, by);
  const answer = await make.t.anonymous.post(`${AUTH}/${provider.slug}/acs`).type('form').send(form).expect(303);
  return { headers, code: new URL(answer.headers.location ?? '', 'http://a').searchParams.get('code') ?? '' };
}

const patch: RouteExample['works'] = async (make) => ({
  path: `${PROVIDERS}/${(await aProvider(make.root, ldapConfig())).id}`,
  body: { ...body(make), slug: undefined, name: 'Renamed', roleMap: [{ group: 'netops', role: 'analyst' }] },
});
const remove: RouteExample['works'] = async (make) => ({ path: `${PROVIDERS}/${(await aProvider(make.root, ldapConfig())).id}` });
const stale = (works: RouteExample['works']): RouteExample['fails'] => ({
  status: 412,
  call: async (make) => ({ ...(await works(make)), headers: STALE }),
});
const linked = { action: 'identity.linked', category: 'governance', on: 'identity', keeps: 'after' } as const;
const signedIn = { action: 'login.succeeded', category: 'access', on: 'session', keeps: 'nothing' } as const;

export const identityProviderExamples: Record<string, RouteExample> = {
  'POST /api/v1/identity-providers': {
    works: (make) => Promise.resolve({ path: PROVIDERS, body: body(make) }),
    leaves: [{ action: 'identity_provider.created', category: 'governance', on: 'identity_provider', keeps: 'after' }],
    fails: {
      status: 409,
      call: async (make) => ({ path: PROVIDERS, body: { ...body(make), slug: (await aProvider(make.root, ldapConfig())).slug } }),
    },
  },
  'PATCH /api/v1/identity-providers/:id': {
    works: patch,
    leaves: [{ action: 'identity_provider.updated', category: 'governance', on: 'identity_provider', keeps: 'changes' }],
    fails: stale(patch),
  },
  'DELETE /api/v1/identity-providers/:id': {
    works: remove,
    leaves: [{ action: 'identity_provider.deleted', category: 'governance', on: 'identity_provider', keeps: 'before' }],
    fails: stale(remove),
  },
  'POST /api/v1/identity-providers/:id/test': {
    works: async (make) => ({ path: `${PROVIDERS}/${(await aDirectory(make)).id}/test` }),
    leaves: [{ action: 'identity_provider.tested', category: 'governance', on: 'identity_provider', keeps: 'nothing' }],
    fails: 'what fails is said in the answer, not by its status',
  },
  'POST /api/v1/auth/providers/:slug/login': {
    public: true,
    works: async (make) => {
      const [provider, user] = [await aDirectory(make), await createUser(make.t)];
      await link(make, provider, user, ADA);
      return {
        path: `${AUTH}/${provider.slug}/login`,
        body: { username: 'ada', password: PASSWORD },
        by: { agent: make.t.anonymous, user },
      };
    },
    leaves: [signedIn],
    fails: 'what it refuses is 401 and login.failed: sign-in-ldap',
  },
  'POST /api/v1/auth/providers/:slug/start': {
    public: true,
    works: async (make) => ({ path: `${AUTH}/${(await aProvider(make.root, samlConfig)).slug}/start`, body: { returnTo: '/pools' } }),
    leaves: [],
    fails: 'it changes nobody’s things',
  },
  'POST /api/v1/auth/providers/:slug/acs': {
    public: true,
    works: async (make) => {
      const provider = await aProvider(make.root, samlConfig);
      return { path: `${AUTH}/${provider.slug}/acs`, form: (await leave(make, provider)).form };
    },
    leaves: [],
    fails: 'what it refuses is 401 and login.failed: sign-in-saml',
  },
  'POST /api/v1/auth/providers/:slug/logout-token': {
    public: true,
    works: async (make) => {
      openId ??= OidcIdp.start();
      const idp = await openId;
      const provider = await aProvider(make.root, { kind: 'oidc', issuer: idp.issuer, clientId: CLIENT });
      const by = await aPerson(make);
      await make.t.sql(`UPDATE auth_sessions SET provider_id = $1, provider_session = 'one' WHERE user_id = $2`, [provider.id, by.user.id]);
      return { path: `${AUTH}/${provider.slug}/logout-token`, form: { logout_token: idp.logoutToken(CLIENT, { sid: 'one' }) }, by };
    },
    leaves: [{ action: 'session.ended', category: 'access', on: 'session', keeps: 'nothing' }],
    fails: 'a token that is not accepted is 400',
  },
  'POST /api/v1/auth/exchange': {
    public: true,
    works: async (make) => {
      const [provider, user] = [await aProvider(make.root, samlConfig), await createUser(make.t)];
      await link(make, provider, user, 'ada');
      const { code, headers } = await comeBack(make, provider);
      return { path: '/api/v1/auth/exchange', body: { code }, headers, by: { agent: make.t.anonymous, user } };
    },
    leaves: [signedIn],
    fails: 'a code that is not good is 401',
  },
  'POST /api/v1/me/identities': {
    works: async (make) => {
      const [provider, by] = [await aProvider(make.root, samlConfig), await aPerson(make)];
      const { code, headers } = await comeBack(make, provider, by);
      return { path: MINE, body: { code }, headers, by };
    },
    leaves: [linked],
    fails: 'identity_taken and provider_already_linked need a second person: sign-in-ldap',
  },
  'POST /api/v1/me/identities/:slug/start': {
    works: async (make) => ({
      path: `${MINE}/${(await aProvider(make.root, samlConfig)).slug}/start`,
      body: { returnTo: '/me' },
      by: await aPerson(make),
    }),
    leaves: [],
    fails: 'it changes nobody’s things',
  },
  'POST /api/v1/me/identities/:slug/login': {
    works: async (make) => ({
      path: `${MINE}/${(await aDirectory(make)).slug}/login`,
      body: { username: 'ada', password: PASSWORD },
      by: await aPerson(make),
    }),
    leaves: [linked],
    fails: 'identity_taken and provider_already_linked need a second person: sign-in-ldap',
  },
  'DELETE /api/v1/me/identities/:slug': {
    works: async (make) => {
      const by = await aPerson(make);
      const provider = await aProvider(make.root, ldapConfig());
      await link(make, provider, by.user, 'ada');
      return { path: `${MINE}/${provider.slug}`, by };
    },
    leaves: [{ action: 'identity.unlinked', category: 'governance', on: 'identity', keeps: 'before' }],
    fails: 'last_way_in needs an account without a password: sign-in-ldap',
  },
};

/** Reads whose path names something that has to be made. */
export const identityProviderReads: Record<string, RouteExample['works']> = {
  'GET /api/v1/identity-providers/:id': async (make) => ({ path: `${PROVIDERS}/${(await aProvider(make.root, ldapConfig())).id}` }),
  'GET /api/v1/auth/providers/:slug/metadata': async (make) => ({
    path: `${AUTH}/${(await aProvider(make.root, samlConfig)).slug}/metadata`,
  }),
  'GET /api/v1/auth/providers/:slug/callback': async (make) => {
    openId ??= OidcIdp.start();
    const idp = await openId;
    const { slug } = await aProvider(make.root, { kind: 'oidc', issuer: idp.issuer, clientId: CLIENT });
    const answer = await make.t.anonymous.post(`${AUTH}/${slug}/start`).send({}).expect(200);
    const [cookie = ''] = answer.get('Set-Cookie') ?? [];
    const { authorizationUrl } = answer.body as { authorizationUrl: string };
    return { path: `${AUTH}/${slug}/callback?${idp.answer(authorizationUrl)}`, headers: { cookie: cookie.split(';')[0] ?? '' } };
  },
};

export const ldifPreview = {
  why: 'compares; POST because a file is long',
  call: { path: `${PROVIDERS}/ldif`, body: { ldif: 'dn: uid=ada,ou=people\nobjectClass: person\nuid: ada\n' } },
};
