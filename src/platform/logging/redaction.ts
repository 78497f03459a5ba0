import { type Json } from '../../kernel/canonical-json.js';

/** Member names whose value never leaves the process, compared without case, dashes and underscores. The only such list. */
const SECRET_NAMES = new Set([
  'password',
  'currentpassword',
  'newpassword',
  'passwordhash',
  'secret',
  'secretaccesskey',
  'clientsecret',
  'bindpassword',
  'signingkey',
  'samlresponse',
  'logouttoken',
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

const REDACTED = '[redacted]';

function isSecretName(name: string): boolean {
  return SECRET_NAMES.has(name.toLowerCase().replaceAll(/[-_]/g, ''));
}

/** The value with every member of a secret name replaced, at any depth. */
export function redact(value: Json): Json {
  if (value === null || typeof value !== 'object') return value;
  if (Array.isArray(value)) return value.map(redact);
  return Object.fromEntries(
    Object.entries(value).map(([name, member]) => [name, isSecretName(name) && member !== null ? REDACTED : redact(member)]),
  );
}

const ASSIGNMENT = /([\w-]+)["']?\s*[=:]\s*["']?/g;
const VALUE = /(?:(?:Bearer|Basic)\s+)?[^\s"',;&]+/iy;
const URL_CREDENTIALS = /(\/\/[^\s/@:]*:)[^\s/@]+@/g;

/** Free text, such as an error's message, without the passwords of URLs and the values assigned to secret names. */
export function redactText(text: string): string {
  const free = text.replaceAll(URL_CREDENTIALS, `$1${REDACTED}@`);
  let shown = '';
  let from = 0;
  for (const assignment of free.matchAll(ASSIGNMENT)) {
    const value = assignment.index + assignment[0].length;
    VALUE.lastIndex = value;
    if (value <= from || !isSecretName(assignment[1] ?? '') || !VALUE.test(free)) continue;
    shown += free.slice(from, value) + REDACTED;
    from = VALUE.lastIndex;
  }
  return shown + free.slice(from);
}
