import { parseCookie, stringifySetCookie } from 'cookie';
import { type FastifyReply, type FastifyRequest } from 'fastify';

/** The prefix keeps every other host and path from setting it (RFC 6265bis §4.1.3.2). */
const NAME = '__Host-sign-in';
const SECONDS = 600;

/** What this browser was given when it left; undefined when it is another one. */
export function bindingOf(request: FastifyRequest): string | undefined {
  return parseCookie(request.headers.cookie ?? '')[NAME];
}

export function bind(reply: FastifyReply, binding: string): void {
  void reply.header(
    'set-cookie',
    stringifySetCookie({ name: NAME, value: binding, maxAge: SECONDS, path: '/', secure: true, httpOnly: true, sameSite: 'lax' }),
  );
}
