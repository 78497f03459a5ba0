import { createHmac } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { AppError } from '../../kernel/app-error.js';
import { KeyStore } from '../../platform/crypto/key-store.js';
import { SecretBox } from '../../platform/crypto/secret-box.js';
import { type ProviderKind } from './provider-config.dto.js';
import { type ProviderSecretsInput } from './provider.dto.js';
import { type Provider } from './provider.js';

export type SecretName = keyof ProviderSecretsInput;
export type Secrets = Partial<Record<SecretName, string>>;

const SECRETS_OF: Record<ProviderKind, SecretName[]> = { ldap: ['bindPassword'], oidc: ['clientSecret'], saml: ['signingKey'] };

/** The only place where a provider's secrets are read. */
@Injectable()
export class ProviderSecrets {
  constructor(
    private readonly box: SecretBox,
    private readonly keys: KeyStore,
  ) {}

  of({ id, sealedSecrets }: Pick<Provider, 'id' | 'sealedSecrets'>): Secrets {
    return sealedSecrets ? (JSON.parse(this.box.open(sealedSecrets, purpose(id))) as Secrets) : {};
  }

  seal(id: string, secrets: Secrets): Buffer | null {
    return Object.keys(secrets).length === 0 ? null : this.box.seal(JSON.stringify(secrets), purpose(id));
  }

  /** Absent stays, null clears. Throws `secret_of_another_kind`. */
  changed(kind: ProviderKind, present: Secrets, input: ProviderSecretsInput | undefined): Secrets {
    const next = { ...present };
    for (const [name, value] of Object.entries(input ?? {}) as [SecretName, string | null | undefined][]) {
      if (value === undefined) continue;
      if (!SECRETS_OF[kind].includes(name))
        throw AppError.field(`/secrets/${name}`, 'secret_of_another_kind', `A provider of kind ${kind} has no such secret.`);
      if (value === null) Reflect.deleteProperty(next, name);
      else next[name] = value;
    }
    return next;
  }

  /** Which there are. */
  shown(provider: Provider): Partial<Record<SecretName, { set: boolean }>> {
    const secrets = this.of(provider);
    return Object.fromEntries(SECRETS_OF[provider.kind].map((name) => [name, { set: secrets[name] !== undefined }]));
  }

  /** For the trail: whether a secret was changed, and nothing else of it. */
  digests(provider: Provider): Partial<Record<SecretName, string>> {
    const digest = (name: string, value: string): string =>
      createHmac('sha256', this.keys.auditWriter)
        .update(`provider secret\0${provider.id}\0${name}\0${value}`)
        .digest('base64url')
        .slice(0, 16);
    return Object.fromEntries(Object.entries(this.of(provider)).map(([name, value]) => [name, digest(name, value)]));
  }
}

function purpose(id: string): string {
  return `identity_providers.secrets ${id}`;
}
