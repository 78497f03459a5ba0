import { createHash, randomBytes } from 'node:crypto';
import { stringifySetCookie } from 'cookie';
import { CONSOLE_COOKIE } from '../../platform/auth/credentials.js';

const ATTRIBUTES = { path: '/', secure: true, httpOnly: true, sameSite: 'strict' } as const;

/** What a browser may send back; everything else is refused without a question to the database. */
export const CONSOLE_SECRET_FORM = /^[\w-]{43}$/;

/** 256 random bits. */
export function newConsoleSecret(): string {
  return randomBytes(32).toString('base64url');
}

/** What the database keeps of it. */
export function consoleSecretHash(secret: string): Buffer {
  return createHash('sha256').update(secret).digest();
}

/** Without an age: gone with the browser, and the session in the database ends whatever the browser keeps. */
export function consoleCookie(secret: string): string {
  return stringifySetCookie({ name: CONSOLE_COOKIE, value: secret, ...ATTRIBUTES });
}

export function clearedConsoleCookie(): string {
  return stringifySetCookie({ name: CONSOLE_COOKIE, value: '', maxAge: 0, ...ATTRIBUTES });
}
