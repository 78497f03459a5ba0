import { stringifySetCookie } from 'cookie';
import { CONSOLE_COOKIE } from '../../platform/auth/credentials.js';

const ATTRIBUTES = { path: '/', secure: true, httpOnly: true, sameSite: 'strict' } as const;

/** Without an age: gone with the browser, and the session in the database ends whatever the browser keeps. */
export function consoleCookie(secret: string): string {
  return stringifySetCookie({ name: CONSOLE_COOKIE, value: secret, ...ATTRIBUTES });
}

export function clearedConsoleCookie(): string {
  return stringifySetCookie({ name: CONSOLE_COOKIE, value: '', maxAge: 0, ...ATTRIBUTES });
}
