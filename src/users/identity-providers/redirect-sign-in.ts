import { timingSafeEqual } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { AppError } from '../../kernel/app-error.js';
import { type PendingSignIn } from '../sessions/pending-sign-ins.js';
import { type OpenedSession, type SignInMode } from '../sessions/sign-ins.js';
import { OidcSignIn } from './oidc/oidc-sign-in.js';
import { isAway } from './is-away.js';
import { providerAway } from './provider-away.js';
import { ProviderLoginEvents } from './provider-login-events.js';
import { ProviderSessions } from './provider-sessions.js';
import { isOidc, isSaml, type Provider, type Vouched } from './provider.js';
import { noProvider, ProvidersRepository } from './providers.repository.js';
import { type Departure } from './redirect.js';
import { hashOfSecret, isSecret, newSecret } from '../../platform/crypto/bearer-secret.js';
import { type Pending, RedirectsRepository, type Returned } from './redirects.repository.js';
import { localPath, withCode } from './return-path.js';
import { SamlSignIn } from './saml/saml-sign-in.js';

export interface Departing {
  authorizationUrl: string;
  /** Goes into a cookie: only the browser that left may come back. */
  binding: string;
}

/**
 * Sign-in by way of another site. A browser leaves with a state, comes back with an answer, gets a code, and collects its tokens for it.
 * Nothing happens to any account before the last step, which only the browser that began can take.
 */
@Injectable()
export class RedirectSignIn {
  constructor(
    private readonly providers: ProvidersRepository,
    private readonly redirects: RedirectsRepository,
    private readonly oidc: OidcSignIn,
    private readonly saml: SamlSignIn,
    private readonly sessions: ProviderSessions,
    private readonly events: ProviderLoginEvents,
  ) {}

  /** Throws `provider_not_found`, `bad_return_to` or `provider_unavailable`. */
  async start(slug: string, returnTo: string | undefined, presented: string | undefined, userId: string | null = null): Promise<Departing> {
    const path = localPath(returnTo ?? '/');
    const provider = await this.providers.enabledBySlug(slug);
    const state = newSecret();
    const { url, kept } = await this.depart(provider, state);
    // A browser with two tabs keeps its cookie: both may come back.
    const binding = isSecret(presented) ? presented : newSecret();
    await this.redirects.insert(provider.id, state, { userId, bindingHash: hashOfSecret(binding), kept, returnTo: path });
    return { authorizationUrl: url, binding };
  }

  /** An OpenID provider sent the browser back. Where it goes on to. Throws `redirect_refused` or `provider_unavailable`. */
  async oidcReturned(slug: string, query: string, binding: string | undefined): Promise<string> {
    const provider = await this.providers.enabledBySlug(slug);
    if (!isOidc(provider)) throw noProvider();
    const state = new URLSearchParams(query).get('state') ?? '';
    const pending = await this.take(provider, state);
    if (!isBoundTo(pending, binding)) throw await this.refused(provider, new Error('Another browser came back.'));
    return this.goOn(provider, pending, () => this.oidc.arrive(provider, state, pending.kept, query));
  }

  /**
   * A SAML provider's page posted the answer. Browsers send no cookie of ours along with that, so whose browser it is shows when the code is
   * collected. Throws `redirect_refused`.
   */
  async samlReturned(slug: string, response: string, relayState: string): Promise<string> {
    const provider = await this.providers.enabledBySlug(slug);
    if (!isSaml(provider)) throw noProvider();
    const pending = await this.take(provider, relayState);
    return this.goOn(provider, pending, () => this.saml.arrive(provider, pending.kept, response));
  }

  /** A session for a code, or the question for a second factor. Throws `exchange_refused`, `account_not_linked` or `account_inactive`. */
  async exchange(code: string, binding: string | undefined, mode: SignInMode): Promise<OpenedSession | PendingSignIn> {
    const { provider, returned } = await this.collect(code, binding, null);
    return this.sessions.open(provider, returned.vouched, mode);
  }

  /** What was vouched for, for who links it to their account. Throws `exchange_refused`. */
  async collect(code: string, binding: string | undefined, userId: string | null): Promise<{ provider: Provider; returned: Returned }> {
    const returned = await this.redirects.takeCode(code);
    const provider = returned && (await this.providers.byId(returned.providerId));
    if (!returned || !provider?.enabled || returned.userId !== userId || !isBoundTo(returned, binding))
      throw new AppError(
        'unauthenticated',
        'exchange_refused',
        'This code is no longer good, or belongs to another browser; sign in again.',
      );
    return { provider, returned };
  }

  private async depart(provider: Provider, state: string): Promise<Departure> {
    if (isSaml(provider)) return this.saml.depart(provider, state);
    if (!isOidc(provider)) throw noProvider();
    try {
      return await this.oidc.depart(provider, state);
    } catch (error) {
      throw providerAway(error);
    }
  }

  /** Nothing is recorded of a state nobody knows: anyone could fill the trail with it. */
  private async take(provider: Provider, state: string): Promise<Pending> {
    const pending = await this.redirects.take(provider.id, state);
    if (!pending) throw redirectRefused(new Error('There is no such state.'));
    return pending;
  }

  private async goOn(provider: Provider, { userId, bindingHash, returnTo }: Pending, arrive: () => Promise<Vouched>): Promise<string> {
    let vouched: Vouched;
    try {
      vouched = await arrive();
    } catch (error) {
      throw isAway(error) ? providerAway(error) : await this.refused(provider, error);
    }
    return withCode(returnTo, await this.redirects.insertCode({ providerId: provider.id, userId, bindingHash, vouched }));
  }

  private async refused(provider: Provider, cause: unknown): Promise<AppError> {
    await this.events.failed(provider, 'answer_refused');
    return redirectRefused(cause);
  }
}

function redirectRefused(cause: unknown): AppError {
  return new AppError('unauthenticated', 'redirect_refused', 'The identity provider’s answer is not accepted; sign in again.', { cause });
}

function isBoundTo({ bindingHash }: { bindingHash: Buffer }, binding: string | undefined): boolean {
  return isSecret(binding) && timingSafeEqual(hashOfSecret(binding), bindingHash);
}
