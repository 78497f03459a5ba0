import { type LdapConfig, type OidcConfig, type ProviderConfig, type ProviderKind, type SamlConfig } from './provider-config.dto.js';

export interface RoleOfGroup {
  group: string;
  role: string;
}

/** An identity provider as the program knows it. */
export interface Provider<Config extends ProviderConfig = ProviderConfig> {
  id: string;
  slug: string;
  kind: ProviderKind;
  name: string;
  enabled: boolean;
  config: Config;
  /** For ProviderSecrets alone. */
  sealedSecrets: Buffer | null;
  roleMap: RoleOfGroup[];
  defaultRoles: string[];
  createsAccounts: boolean;
  mayGrantSuperuser: boolean;
  version: number;
  createdAt: Date;
  createdBy: string;
  updatedAt: Date;
}

export type LdapProvider = Provider<LdapConfig>;
export type OidcProvider = Provider<OidcConfig>;
export type SamlProvider = Provider<SamlConfig>;

export const isLdap = (provider: Provider): provider is LdapProvider => provider.config.kind === 'ldap';
export const isOidc = (provider: Provider): provider is OidcProvider => provider.config.kind === 'oidc';
export const isSaml = (provider: Provider): provider is SamlProvider => provider.config.kind === 'saml';

export interface Posix {
  uidNumber: number;
  gidNumber: number;
  loginShell?: string;
  homeDirectory?: string;
}

/** What a provider says of a person, once it was found to be the provider that says it. */
export interface Vouched {
  /** Names the person at this provider for ever; the only thing an account is found by. */
  externalId: string;
  /** A wish: an account made for them is called something like it. */
  username: string;
  email?: string;
  displayName?: string;
  groups: string[];
  posix?: Posix;
  /** The provider's own session, which it may end later. */
  session?: string;
  /** How the provider says it knew them (OpenID Connect Core §2). */
  acr?: string;
  amr?: string[];
}

/** One attempt of a test against the real thing. */
export interface TestStep {
  name: string;
  ok: boolean;
  detail: string;
}

/** The texts of a claim or attribute, which providers send as one or as a list. */
export function textsOf(value: unknown): string[] {
  const values: unknown[] = Array.isArray(value) ? value : [value];
  return values.filter((one) => typeof one === 'string');
}
