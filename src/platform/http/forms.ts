import { isUtf8 } from 'node:buffer';
import { type NestFastifyApplication } from '@nestjs/platform-fastify';
import { type FastifyInstance } from 'fastify';
import { AppError } from '../../kernel/app-error.js';

const FORM = 'application/x-www-form-urlencoded';
const MOST_FIELDS = 20;

/**
 * Accepts form bodies on these routes alone, which other sites have to post to by their protocol. Everywhere else a form is refused before
 * any handler: a browser would send one across sites without asking.
 */
export function acceptForms(app: NestFastifyApplication, routes: readonly string[]): void {
  const server: FastifyInstance = app.getHttpAdapter().getInstance();
  server.addHook('preParsing', (request, _reply, _payload, done) => {
    const form = (request.headers['content-type'] ?? '').trim().toLowerCase().startsWith(FORM);
    const expected = routes.includes(request.routeOptions.url ?? '');
    const typed = request.headers['content-type'] !== undefined;
    if (typed && form !== expected)
      done(new AppError('unsupported_media', 'unsupported_media_type', expected ? `Send ${FORM}.` : 'Send application/json.'));
    else done();
  });
  server.addContentTypeParser(FORM, { parseAs: 'buffer' }, (_request, body: Buffer, done) => {
    try {
      done(null, fieldsOf(body));
    } catch (error) {
      done(error instanceof Error ? error : new Error(String(error)), undefined);
    }
  });
}

/** Each field once: of two of one name another reader might believe the other. */
function fieldsOf(body: Buffer): Record<string, string> {
  const text = body.toString('latin1');
  const pairs = [...new URLSearchParams(text)];
  const bad = !isUtf8(body) || pairs.some(([name, value]) => `${name}${value}`.includes('\0'));
  if (bad) throw new AppError('unparsable', 'bad_text', 'The form is not plain UTF-8 text.');
  if (pairs.length > MOST_FIELDS || new Set(pairs.map(([name]) => name)).size < pairs.length)
    throw new AppError('unparsable', 'bad_form', `The form has a field twice, or more than ${MOST_FIELDS} fields.`);
  const fields = Object.create(null) as Record<string, string>;
  for (const [name, value] of pairs) fields[name] = value;
  return fields;
}
