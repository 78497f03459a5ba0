import { isUtf8 } from 'node:buffer';
import { randomUUID } from 'node:crypto';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify';
import { type AppConfig } from '../../config/app-config.js';
import { AppError } from '../../kernel/app-error.js';
import { type RequestContext, runInContext } from '../context/request-context.js';
import { type Problem } from './problem.dto.js';
import { sendProblem } from './problem.js';
import { sendSecurityHeaders } from './security-headers.js';

const MAX_DEPTH = 32;
const MAX_MEMBERS = 256;
const REQUEST_ID = /^[A-Za-z0-9._-]{8,64}$/;
/** By the parser's reason; everything else is a bad request. */
const BYTES: Record<string, [status: number, title: string, code: string, detail: string]> = {
  HPE_HEADER_OVERFLOW: [
    431,
    'Request header fields too large',
    'header_too_large',
    'The URL and the header fields together are too large.',
  ],
  ERR_HTTP_REQUEST_TIMEOUT: [408, 'Request timeout', 'request_too_slow', 'The request did not arrive in time.'],
};
const contexts = new WeakMap<FastifyRequest, RequestContext>();

/** A Fastify server with time-outs that close slow connections, proxies believed by list only, and a request context before anything else. */
export function createAdapter(config: AppConfig): FastifyAdapter {
  const adapter = new FastifyAdapter({
    trustProxy: config.http.trustedProxies.length > 0 ? [...config.http.trustedProxies] : false,
    bodyLimit: config.http.bodyLimit,
    requestTimeout: 120_000,
    connectionTimeout: 125_000,
    keepAliveTimeout: 15_000,
    http: { headersTimeout: 8000, connectionsCheckingInterval: 1000, maxHeaderSize: 16_384 },
    forceCloseConnections: 'idle',
    genReqId: requestId,
    requestIdHeader: false,
    routerOptions: { ignoreTrailingSlash: true, maxParamLength: 200 },
    frameworkErrors: (_error: Error, request: FastifyRequest, reply: FastifyReply) => {
      badUrl(request, reply);
    },
    clientErrorHandler: (error, socket) => {
      if (socket.writable) socket.end(refusalOfBytes(error.code));
    },
  });
  const server: FastifyInstance = adapter.getInstance();
  acceptJsonOnly(server);
  sendSecurityHeaders(server);
  openContext(server);
  return adapter;
}

/** JSON bodies only; a form or text body is refused before any handler, which also keeps cross-site form posts out. */
function acceptJsonOnly(server: FastifyInstance): void {
  const parse = server.getDefaultJsonParser('error', 'error');
  server.removeAllContentTypeParsers();
  server.addContentTypeParser('application/json', { parseAs: 'buffer' }, (request, body: Buffer, done) => {
    if (body.length === 0) {
      done(null, undefined);
      return;
    }
    // Decoding would put U+FFFD in place of what is wrong, and that would be stored.
    if (!isUtf8(body)) {
      done(new AppError('unparsable', 'bad_text', 'The body is not UTF-8.'), undefined);
      return;
    }
    void parse(request, body.toString(), (error, value: unknown) => {
      if (error) done(new AppError('unparsable', 'unparsable_json', 'The body is not JSON.', { cause: error }), undefined);
      else done(refusal(value) ?? null, value);
    });
  });
}

/** Nesting beyond what any route needs, NUL and lone surrogates are refused here: validators and PostgreSQL would fail on them later. */
function refusal(body: unknown): AppError | undefined {
  let level: unknown[] = [body];
  for (let depth = 0; level.length > 0; depth++) {
    if (depth > MAX_DEPTH) return new AppError('unparsable', 'too_deep', `The body is nested more than ${MAX_DEPTH} levels deep.`);
    const next: unknown[] = [];
    for (const value of level) {
      if (typeof value === 'string' && (value.includes('\0') || !value.isWellFormed()))
        return new AppError('unparsable', 'bad_text', 'Text must be well-formed Unicode without NUL.');
      if (Array.isArray(value)) for (const item of value) next.push(item);
      else if (typeof value === 'object' && value !== null) {
        const members = Object.entries(value);
        if (members.length > MAX_MEMBERS)
          return new AppError('unparsable', 'too_many_members', `An object of the body has more than ${MAX_MEMBERS} members.`);
        for (const [name, member] of members) next.push(name, member);
      }
    }
    level = next;
  }
  return undefined;
}

function openContext(server: FastifyInstance): void {
  server.addHook('onRequest', (request, reply, done) => {
    const context: RequestContext = {
      requestId: request.id,
      clientAddress: plainAddress(request.ip),
      peerAddress: plainAddress(request.socket.remoteAddress ?? ''),
      method: request.method,
      route: request.routeOptions.url ?? '(none)',
      startedAt: performance.now(),
      queries: 0,
    };
    const { 'user-agent': userAgent, 'x-forwarded-for': forwarded } = request.headers;
    if (userAgent !== undefined) context.userAgent = escaped(userAgent, 512);
    if (forwarded !== undefined) context.forwardedFor = escaped(String(forwarded), 256);
    contexts.set(request, context);
    void reply.header('x-request-id', request.id);
    runInContext(context, done);
  });
  // The body arrives in the socket's own async context, so the request's is entered again after it was read.
  server.addHook('preValidation', (request, _reply, done) => {
    const context = contexts.get(request);
    if (context) runInContext(context, done);
    else done();
  });
}

function requestId(request: { headers: Record<string, string | string[] | undefined> }): string {
  const given = request.headers['x-request-id'];
  return typeof given === 'string' && REQUEST_ID.test(given) ? given : randomUUID();
}

/** Control characters are escaped: a name in a log must not be able to write a line of its own. */
function escaped(header: string, most: number): string {
  return JSON.stringify(header.slice(0, most)).slice(1, -1);
}

function plainAddress(address: string): string {
  return address.startsWith('::ffff:') ? address.slice(7) : address;
}

function badUrl(request: FastifyRequest, reply: FastifyReply): void {
  void reply.header('x-request-id', request.id);
  sendProblem(reply, new AppError('unparsable', 'bad_url', 'The URL cannot be read.'), request.id);
}

/** What is answered, with status line and all, to bytes that are no request. */
function refusalOfBytes(reason: string | undefined): string {
  const requestId = randomUUID();
  const [status, title, code, detail] = BYTES[reason ?? ''] ?? [400, 'Bad request', 'no_request', 'This is not an HTTP request.'];
  const body = JSON.stringify({ type: `/problems/${code}`, title, status, code, detail, requestId } satisfies Problem);
  const headers = [`x-request-id: ${requestId}`, 'content-type: application/problem+json; charset=utf-8', `content-length: ${body.length}`];
  return [`HTTP/1.1 ${status} ${title}`, ...headers, 'connection: close', '', body].join('\r\n');
}
