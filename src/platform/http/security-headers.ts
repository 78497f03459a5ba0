import { type FastifyInstance } from 'fastify';

/** OWASP’s set for an API (cheat sheet “REST security”), fixed: nothing here depends on the request, so nothing is computed for it. */
const API_HEADERS = {
  'content-security-policy': "default-src 'none'; base-uri 'none'; frame-ancestors 'none'",
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'referrer-policy': 'no-referrer',
  'strict-transport-security': 'max-age=31536000; includeSubDomains',
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
  'cache-control': 'no-store',
};

/** The documentation is a page: it loads its own scripts and styles, and Swagger UI writes styles into the page. */
const PAGE_HEADERS = {
  ...API_HEADERS,
  'content-security-policy':
    "default-src 'self'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; base-uri 'none'; frame-ancestors 'none'; object-src 'none'",
};

export function sendSecurityHeaders(server: FastifyInstance): void {
  server.addHook('onRequest', (request, reply, done) => {
    void reply.headers(request.url.startsWith('/docs') ? PAGE_HEADERS : API_HEADERS);
    done();
  });
}
