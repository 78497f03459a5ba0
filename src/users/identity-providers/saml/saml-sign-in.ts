import { randomBytes, X509Certificate } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { type CacheProvider, SAML, ValidateInResponseTo } from '@node-saml/node-saml';
import { AppConfig } from '../../../config/app-config.js';
import { certificatesOf } from '../config-rules.js';
import { ProviderMessages } from '../provider-messages.js';
import { ProviderSecrets } from '../provider-secrets.js';
import { providerUrl } from '../provider-urls.js';
import { type SamlProvider, type TestStep, type Vouched } from '../provider.js';
import { ProviderTargets } from '../provider-targets.js';
import { type Departure } from '../redirect.js';
import { steps } from '../steps.js';
import { checkConfirmation, confirmationOf, vouchedBy } from './saml-assertion.js';

const REQUEST_SECONDS = 600;
const ASSERTION_SECONDS = 3600;
const SKEW_MS = 5000;
const OLDEST_ASSERTION_MS = 300_000;

/** Web browser SSO, started here, by redirect and form post (SAML 2.0 profiles §4.1). Only signed assertions that answer our request. */
@Injectable()
export class SamlSignIn {
  constructor(
    private readonly config: AppConfig,
    private readonly secrets: ProviderSecrets,
    private readonly messages: ProviderMessages,
    private readonly targets: ProviderTargets,
  ) {}

  async depart(provider: SamlProvider, state: string): Promise<Departure> {
    const requestId = `_${randomBytes(20).toString('hex')}`;
    const saml = this.samlOf(provider, requestId);
    return { url: await saml.getAuthorizeUrlAsync(state, undefined, {}), kept: { requestId } };
  }

  /** Throws whatever is wrong with the answer. */
  async arrive(provider: SamlProvider, kept: Record<string, string>, response: string): Promise<Vouched> {
    if (/xmldsig#(rsa|dsa)-sha1|xmldsig#sha1/.test(Buffer.from(response, 'base64').toString('latin1')))
      throw new Error('SHA-1 signs nothing any more.');
    const { profile, loggedOut } = await this.samlOf(provider).validatePostResponseAsync({ SAMLResponse: response });
    if (!profile || loggedOut) throw new Error('There is no assertion.');
    if (profile.issuer !== provider.config.idpEntityId) throw new Error('The assertion is of another issuer.');
    const { assertionId, ...confirmation } = confirmationOf(profile);
    checkConfirmation(confirmation, kept.requestId, this.acsUrl(provider));
    await this.takeOnce(provider, assertionId);
    return vouchedBy(provider, profile);
  }

  metadata(provider: SamlProvider): string {
    return this.samlOf(provider).generateServiceProviderMetadata(null, null);
  }

  async test(provider: SamlProvider): Promise<TestStep[]> {
    const { idpCertificates, entryPoint } = provider.config;
    return steps([
      [
        'certificates',
        () => {
          const until = idpCertificates
            .flatMap((pem) => certificatesOf(pem, '/config'))
            .map((pem) => new Date(new X509Certificate(pem).validTo));
          if (until.every((end) => end.getTime() < Date.now())) throw new Error('Every certificate has expired.');
          return Promise.resolve(`valid until ${until.map((end) => end.toISOString()).join(', ')}`);
        },
      ],
      [
        'entry point',
        async () => {
          const { status } = await this.targets.fetch(entryPoint, { signal: AbortSignal.timeout(5000) });
          return `answers ${status}`;
        },
      ],
    ]);
  }

  private async takeOnce(provider: SamlProvider, assertionId: string): Promise<void> {
    if (!(await this.messages.remember(provider.id, `assertion ${assertionId}`, ASSERTION_SECONDS)))
      throw new Error('This assertion was used before.');
  }

  private samlOf(provider: SamlProvider, requestId?: string): SAML {
    const { entryPoint, idpEntityId, idpCertificates, spEntityId } = provider.config;
    const { signingKey } = this.secrets.of(provider);
    const issuer = spEntityId ?? providerUrl(this.config, provider, 'metadata');
    return new SAML({
      entryPoint,
      issuer,
      audience: issuer,
      idpIssuer: idpEntityId,
      callbackUrl: this.acsUrl(provider),
      idpCert: idpCertificates.flatMap((pem) => certificatesOf(pem, '/config')),
      wantAssertionsSigned: true,
      wantAuthnResponseSigned: false,
      validateInResponseTo: ValidateInResponseTo.always,
      requestIdExpirationPeriodMs: REQUEST_SECONDS * 1000,
      acceptedClockSkewMs: SKEW_MS,
      maxAssertionAgeMs: OLDEST_ASSERTION_MS,
      cacheProvider: this.requestsOf(provider),
      identifierFormat: null,
      disableRequestedAuthnContext: true,
      signatureAlgorithm: 'sha256',
      digestAlgorithm: 'sha256',
      ...(signingKey === undefined ? {} : { privateKey: signingKey }),
      ...(requestId === undefined ? {} : { generateUniqueId: () => requestId }),
    });
  }

  /** Which of our requests wait for an answer: in the database, so that any instance may get it. */
  private requestsOf({ id }: SamlProvider): CacheProvider {
    return {
      saveAsync: async (key, value) => {
        await this.messages.remember(id, `request ${key}`, REQUEST_SECONDS, value);
        return { value, createdAt: Date.now() };
      },
      getAsync: async (key) => (await this.messages.valueOf(id, `request ${key}`)) ?? null,
      removeAsync: async (key) => (key !== null && (await this.messages.forget(id, `request ${key}`)) ? key : null),
    };
  }

  private acsUrl(provider: SamlProvider): string {
    return providerUrl(this.config, provider, 'acs');
  }
}
