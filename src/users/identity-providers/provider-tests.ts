import { Injectable } from '@nestjs/common';
import { AuditTrail } from '../../audit/trail/audit-trail.js';
import { LdapDirectory } from './ldap/ldap-directory.js';
import { OidcSignIn } from './oidc/oidc-sign-in.js';
import { isLdap, isOidc, isSaml, type Provider, type TestStep } from './provider.js';
import { ProvidersRepository } from './providers.repository.js';
import { SamlSignIn } from './saml/saml-sign-in.js';

/** Tries a configuration against the real thing. */
@Injectable()
export class ProviderTests {
  constructor(
    private readonly providers: ProvidersRepository,
    private readonly ldap: LdapDirectory,
    private readonly oidc: OidcSignIn,
    private readonly saml: SamlSignIn,
    private readonly audit: AuditTrail,
  ) {}

  async run(id: string): Promise<{ ok: boolean; steps: TestStep[] }> {
    const provider = await this.providers.byId(id);
    const steps = await this.stepsOf(provider);
    const ok = steps.every((step) => step.ok);
    await this.audit.recordAlone({
      action: 'identity_provider.tested',
      category: 'governance',
      resource: { type: 'identity_provider', id, name: provider.slug },
      detail: { ok, steps: steps.map((step) => `${step.name}: ${step.ok ? 'ok' : 'failed'}`) },
    });
    return { ok, steps };
  }

  private stepsOf(provider: Provider): Promise<TestStep[]> {
    if (isLdap(provider)) return this.ldap.test(provider);
    if (isOidc(provider)) return this.oidc.test(provider);
    if (isSaml(provider)) return this.saml.test(provider);
    throw new Error('This kind of provider cannot be tested.');
  }
}
