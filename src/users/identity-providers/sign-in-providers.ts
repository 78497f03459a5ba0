import { Injectable } from '@nestjs/common';
import { isSaml, type Provider } from './provider.js';
import { noProvider, ProvidersRepository } from './providers.repository.js';
import { SamlSignIn } from './saml/saml-sign-in.js';

/** What anyone may know of the enabled providers. */
@Injectable()
export class SignInProviders {
  constructor(
    private readonly providers: ProvidersRepository,
    private readonly saml: SamlSignIn,
  ) {}

  async list(): Promise<Pick<Provider, 'slug' | 'name' | 'kind'>[]> {
    return (await this.providers.enabled()).map(({ slug, name, kind }) => ({ slug, name, kind }));
  }

  /** Throws `provider_not_found`. */
  async samlMetadata(slug: string): Promise<string> {
    const provider = await this.providers.enabledBySlug(slug);
    if (!isSaml(provider)) throw noProvider();
    return this.saml.metadata(provider);
  }
}
