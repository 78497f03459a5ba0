import { type ProviderSecrets } from './provider-secrets.js';
import { type IdentityProviderView } from './provider.dto.js';
import { type Provider } from './provider.js';

/** What an administrator sees: everything but the secrets. */
export function viewOf(provider: Provider, secrets: ProviderSecrets): IdentityProviderView {
  const { id, slug, kind, name, enabled, config, roleMap, defaultRoles, createsAccounts, mayGrantSuperuser, version, createdBy } = provider;
  return {
    id,
    slug,
    kind,
    name,
    enabled,
    config,
    secrets: secrets.shown(provider),
    roleMap,
    defaultRoles,
    createsAccounts,
    mayGrantSuperuser,
    version,
    createdBy,
    createdAt: provider.createdAt.toISOString(),
    updatedAt: provider.updatedAt.toISOString(),
  };
}
