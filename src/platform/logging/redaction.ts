import { type Json } from '../../kernel/canonical-json.js';

/** Member names whose value never leaves the process, compared without case, dashes and underscores. The only such list. */
const SECRET_NAMES = new Set([
  'password',
  'currentpassword',
  'newpassword',
  'passwordhash',
  'secret',
  'token',
  'accesstoken',
  'refreshtoken',
  'authorization',
  'cookie',
  'setcookie',
  'apikey',
  'xapikey',
  'privatekey',
  'credential',
  'credentials',
  'idempotencykey',
]);

export const REDACTED = '[redacted]';

export function isSecretName(name: string): boolean {
  return SECRET_NAMES.has(name.toLowerCase().replaceAll(/[-_]/g, ''));
}

/** The value with every member of a secret name replaced, at any depth. */
export function redact(value: Json): Json {
  if (value === null || typeof value !== 'object') return value;
  if (Array.isArray(value)) return value.map(redact);
  return Object.fromEntries(Object.entries(value).map(([name, member]) => [name, isSecretName(name) && member !== null ? REDACTED : redact(member)]));
}
