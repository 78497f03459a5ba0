import { Injectable } from '@nestjs/common';
import { LRUCache } from 'lru-cache';
import * as oidc from 'openid-client';
import { AppConfig } from '../../../config/app-config.js';
import { callbackUrl } from '../provider-urls.js';
import { ProviderSecrets } from '../provider-secrets.js';
import { type OidcProvider, type TestStep, textsOf, type Vouched } from '../provider.js';
import { isLoopback, ProviderTargets } from '../provider-targets.js';
import { type Departure } from '../redirect.js';
import { steps } from '../steps.js';

const FRESH_MS = 600_000;
const MOST = 100;

interface Kept {
  nonce: string;
  verifier: string;
}

/** Authorization code with PKCE, state and nonce (RFC 9700 §2.1.1, OpenID Connect Core §3.1). The library checks issuer, audience and time. */
@Injectable()
export class OidcSignIn {
  /** What a provider says of itself, by its version here: a changed configuration is asked anew. */
  private readonly known = new LRUCache<string, oidc.Configuration>({ max: MOST, ttl: FRESH_MS });

  constructor(
    private readonly config: AppConfig,
    private readonly secrets: ProviderSecrets,
    private readonly targets: ProviderTargets,
  ) {}

  async depart(provider: OidcProvider, state: string): Promise<Departure> {
    const configuration = await this.configurationOf(provider);
    const kept: Kept = { nonce: oidc.randomNonce(), verifier: oidc.randomPKCECodeVerifier() };
    const url = oidc.buildAuthorizationUrl(configuration, {
      redirect_uri: callbackUrl(this.config, provider),
      scope: provider.config.scopes.join(' '),
      state,
      nonce: kept.nonce,
      code_challenge: await oidc.calculatePKCECodeChallenge(kept.verifier),
      code_challenge_method: 'S256',
    });
    return { url: url.href, kept: { ...kept } };
  }

  /** Throws whatever is wrong with the answer. */
  async arrive(provider: OidcProvider, state: string, kept: Record<string, string>, query: string): Promise<Vouched> {
    const configuration = await this.configurationOf(provider);
    const tokens = await oidc.authorizationCodeGrant(configuration, new URL(`${callbackUrl(this.config, provider)}?${query}`), {
      expectedState: state,
      expectedNonce: kept.nonce,
      pkceCodeVerifier: kept.verifier,
      idTokenExpected: true,
    });
    const claims = tokens.claims();
    if (!claims) throw new Error('There is no ID token.');
    const { userinfo_endpoint: userinfo } = configuration.serverMetadata();
    const more = userinfo === undefined ? {} : await oidc.fetchUserInfo(configuration, tokens.access_token, claims.sub);
    return vouchedBy(provider, { ...more, ...claims });
  }

  /** Discovered, or remembered for ten minutes. */
  async configurationOf(provider: OidcProvider): Promise<oidc.Configuration> {
    const key = `${provider.id} ${provider.version}`;
    const known = this.known.get(key);
    if (known) return known;
    const found = await this.discover(provider);
    this.known.set(key, found);
    return found;
  }

  async test(provider: OidcProvider): Promise<TestStep[]> {
    let metadata: oidc.ServerMetadata | undefined;
    return steps([
      [
        'discover',
        async () => {
          metadata = (await this.discover(provider)).serverMetadata();
          return metadata.issuer;
        },
      ],
      [
        'keys',
        async () => {
          const { keys = [] } = (await this.json(provider, metadata?.jwks_uri)) as { keys?: unknown[] };
          if (keys.length === 0) throw new Error('The provider publishes no keys.');
          return `${keys.length} at ${metadata?.jwks_uri ?? ''}`;
        },
      ],
    ]);
  }

  /** A document of the provider's. */
  async json(provider: OidcProvider, url: string | undefined): Promise<unknown> {
    if (url === undefined) throw new Error('The provider does not say where its keys are.');
    const answer = await this.targets.fetch(url, { signal: AbortSignal.timeout(provider.config.timeoutMs) });
    if (!answer.ok) throw new Error(`${url} was answered ${answer.status}.`);
    return answer.json();
  }

  private async discover(provider: OidcProvider): Promise<oidc.Configuration> {
    const { issuer, clientId, clientAuthentication, timeoutMs } = provider.config;
    const { clientSecret } = this.secrets.of(provider);
    const authentication =
      clientSecret === undefined
        ? oidc.None()
        : clientAuthentication === 'post'
          ? oidc.ClientSecretPost(clientSecret)
          : oidc.ClientSecretBasic(clientSecret);
    // Its deprecation mark is the library's way to say: not in production.
    // eslint-disable-next-line @typescript-eslint/no-deprecated
    const insecure = this.config.env !== 'production' && isLoopback(issuer) ? [oidc.allowInsecureRequests] : [];
    return oidc.discovery(new URL(issuer), clientId, undefined, authentication, {
      // ID tokens are verified by their signature too, not by the connection they came over alone.
      execute: [...insecure, oidc.enableNonRepudiationChecks],
      timeout: timeoutMs / 1000,
      // What a discovery document names is no more trusted than what an administrator types.
      [oidc.customFetch]: (url, options) => this.targets.fetch(url, options),
    });
  }
}

function vouchedBy({ config }: OidcProvider, claims: Record<string, unknown> & { sub: string }): Vouched {
  const text = (name: string): string | undefined => (typeof claims[name] === 'string' && claims[name] !== '' ? claims[name] : undefined);
  const email = claims.email_verified === false ? undefined : text('email');
  const displayName = text('name');
  const session = text('sid');
  const acr = text('acr');
  return {
    externalId: claims.sub,
    username: text(config.usernameClaim) ?? email ?? claims.sub,
    groups: textsOf(claims[config.groupsClaim]),
    ...(email === undefined ? {} : { email }),
    ...(displayName === undefined ? {} : { displayName }),
    ...(session === undefined ? {} : { session }),
    ...(acr === undefined ? {} : { acr }),
    ...(claims.amr === undefined ? {} : { amr: textsOf(claims.amr) }),
  };
}
