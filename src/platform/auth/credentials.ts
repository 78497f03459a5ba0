import { parseCookie } from 'cookie';
import { type FastifyRequest } from 'fastify';
import { AppError } from '../../kernel/app-error.js';

/** What a request shows to say whose it is. */
export interface Credential {
  kind: 'token' | 'key' | 'console';
  value: string;
}

/** The console's cookie. The prefix makes browsers refuse it from subdomains and over plain HTTP (RFC 6265bis §4.1.3.2). */
export const CONSOLE_COOKIE = '__Host-cadastre';
export const KEY_PREFIX = 'cdst_';
/** How the token that a tenant key derived begins: its header, in the one spelling that we write. Whole groups of three bytes, so that base64 has no say. */
export const TENANT_TOKEN_PREFIX = Buffer.from('{"alg":"HS256","typ":"tt+jw').toString('base64url');

const BEARER = /^bearer ([\x21-\x7e]+)$/i;

/**
 * The one credential of a request; undefined when there is none. Never from the URL, which logs and proxies keep.
 * Throws `several_credentials`: which of two counts must not be for a proxy or an attacker to choose.
 */
export function credentialOf({ headers }: FastifyRequest): Credential | undefined {
  const found: Credential[] = [];
  const bearer = headers.authorization === undefined ? undefined : BEARER.exec(headers.authorization)?.[1];
  if (bearer !== undefined) found.push({ kind: isKey(bearer) ? 'key' : 'token', value: bearer });
  const key = headers['x-api-key'];
  if (typeof key === 'string') found.push({ kind: 'key', value: key });
  const cookie = headers.cookie?.includes(CONSOLE_COOKIE) === true ? parseCookie(headers.cookie)[CONSOLE_COOKIE] : undefined;
  if (cookie !== undefined) found.push({ kind: 'console', value: cookie });
  if (found.length > 1)
    throw new AppError('unparsable', 'several_credentials', 'Send one credential: an access token, an API key, or the console’s cookie.');
  return found[0];
}

function isKey(bearer: string): boolean {
  return bearer.startsWith(KEY_PREFIX) || bearer.startsWith(TENANT_TOKEN_PREFIX);
}
