import multipart from '@fastify/multipart';
import { type NestFastifyApplication } from '@nestjs/platform-fastify';
import { type FastifyInstance } from 'fastify';
import { type AppConfig } from '../../config/app-config.js';
import { AppError } from '../../kernel/app-error.js';

/**
 * Accepts multipart bodies, as streams, on these routes alone. Everywhere else they are refused before any handler like every other form: a
 * browser would send one across sites without asking.
 */
export async function acceptUploads(app: NestFastifyApplication, config: AppConfig, routes: readonly string[]): Promise<void> {
  await app.register(multipart, {
    limits: { fileSize: config.http.uploadLimit, files: 8, fields: 8, parts: 16, fieldSize: 1000, fieldNameSize: 100, headerPairs: 20 },
    throwFileSizeLimit: true,
  });
  const server: FastifyInstance = app.getHttpAdapter().getInstance();
  server.addHook('preParsing', (request, _reply, _payload, done) => {
    const form = /^\s*multipart\//i.test(request.headers['content-type'] ?? '');
    if (form && !routes.includes(request.routeOptions.url ?? ''))
      done(new AppError('unsupported_media', 'unsupported_media_type', 'Send application/json.'));
    else done();
  });
}
