import { createPrivateKey, X509Certificate } from 'node:crypto';
import { AppError } from '../../kernel/app-error.js';
import { type LdapConfig, type ProviderConfig } from './provider-config.dto.js';
import { type Secrets } from './provider-secrets.js';
import { isLoopback, type ProviderTargets } from './provider-targets.js';

const CERTIFICATE = /-----BEGIN CERTIFICATE-----[A-Za-z0-9+/=\s]+-----END CERTIFICATE-----/g;

/** Throws `tls_mismatch`, `plaintext_refused`, `bad_certificate`, `bad_key`, `group_base_missing` or `target_refused`. */
export async function checkConfig(config: ProviderConfig, secrets: Secrets, production: boolean, targets: ProviderTargets): Promise<void> {
  switch (config.kind) {
    case 'ldap':
      checkLdap(config, production);
      return targets.check(config.url, '/config/url');
    case 'oidc':
      if (!config.issuer.startsWith('https:') && (production || !isLoopback(config.issuer))) throw plaintext('/config/issuer');
      return targets.check(config.issuer, '/config/issuer');
    case 'saml':
      if (!config.entryPoint.startsWith('https:') && (production || !isLoopback(config.entryPoint))) throw plaintext('/config/entryPoint');
      for (const [i, pem] of config.idpCertificates.entries()) certificatesOf(pem, `/config/idpCertificates/${i}`);
      if (secrets.signingKey !== undefined) checkKey(secrets.signingKey);
  }
}

/** The certificates of a PEM text, each by itself. Throws `bad_certificate`. */
export function certificatesOf(pem: string, pointer: string): string[] {
  const found = pem.match(CERTIFICATE) ?? [];
  try {
    for (const one of found) new X509Certificate(one);
  } catch {
    throw badCertificate(pointer);
  }
  if (found.length === 0) throw badCertificate(pointer);
  return found;
}

function checkLdap(config: LdapConfig, production: boolean): void {
  if ((config.tls === 'ldaps') !== config.url.startsWith('ldaps:'))
    throw AppError.field('/config/tls', 'tls_mismatch', 'An ldaps:// URL goes with `ldaps`, an ldap:// URL with `starttls` or `none`.');
  if (config.tls === 'none' && !isLoopback(config.url) && (config.allowPlaintext !== true || production)) throw plaintext('/config/tls');
  if (typeof config.caPem === 'string') certificatesOf(config.caPem, '/config/caPem');
  if ((config.groupStyle === 'member' || config.groupStyle === 'memberUid') && typeof config.groupBase !== 'string')
    throw AppError.field('/config/groupBase', 'group_base_missing', 'Say below which entry groups are.');
}

function checkKey(pem: string): void {
  try {
    createPrivateKey(pem);
  } catch {
    throw AppError.field('/secrets/signingKey', 'bad_key', 'This is no private key in PEM.');
  }
}

function plaintext(pointer: string): AppError {
  return AppError.field(pointer, 'plaintext_refused', 'Passwords and assertions would cross the network unencrypted.');
}

function badCertificate(pointer: string): AppError {
  return AppError.field(pointer, 'bad_certificate', 'This is no certificate in PEM.');
}
