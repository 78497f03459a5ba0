import { createHash, randomBytes } from 'node:crypto';

const FORM = /^[\w-]{43}$/;

/** 256 random bits for somebody to show: a refresh token, a cookie, a link that is good once. */
export function newSecret(): string {
  return randomBytes(32).toString('base64url');
}

/** Whether it can be one: everything else is refused without a question to the database. */
export function isSecret(text: string | undefined): text is string {
  return text !== undefined && FORM.test(text);
}

/** What the database keeps of one. It cannot be guessed, so a fast digest is enough. */
export function hashOfSecret(secret: string): Buffer {
  return createHash('sha256').update(secret).digest();
}
