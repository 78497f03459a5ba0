import cors from '@fastify/cors';
import helmet from '@fastify/helmet';
import { NestFactory } from '@nestjs/core';
import { type NestFastifyApplication } from '@nestjs/platform-fastify';
import { DocumentBuilder, type OpenAPIObject, SwaggerModule } from '@nestjs/swagger';
import { AppModule } from './app.module.js';
import { AppConfig } from './config/app-config.js';
import { ProblemFilter } from './platform/http/problem.filter.js';
import { Refusals } from './platform/http/refusals.js';
import { createAdapter } from './platform/http/server.js';
import { EdgeValidation } from './platform/http/validation.js';
import { Log } from './platform/logging/log.js';

/** The whole application, ready to listen: the same for the server, the tests and the tools. */
export async function createApp(config: AppConfig): Promise<NestFastifyApplication> {
  const log = new Log(config);
  const app = await NestFactory.create<NestFastifyApplication>(AppModule.with(config), createAdapter(config), {
    bodyParser: false,
    abortOnError: false,
    logger: log.asNestLogger(),
  });
  await configureApp(app);
  return app;
}

export async function configureApp(app: NestFastifyApplication): Promise<void> {
  const config = app.get(AppConfig);
  prefixRoutes(app);
  app.useGlobalPipes(new EdgeValidation());
  app.useGlobalFilters(new ProblemFilter(app.get(Log), app.get(Refusals)));
  await app.register(helmet, {
    contentSecurityPolicy: { directives: { defaultSrc: ["'none'"], frameAncestors: ["'none'"] } },
    strictTransportSecurity: { maxAge: 31_536_000, includeSubDomains: true },
    referrerPolicy: { policy: 'no-referrer' },
  });
  await app.register(cors, {
    origin: [...config.http.corsOrigins],
    methods: ['GET', 'POST', 'PUT', 'PATCH', 'DELETE'],
    allowedHeaders: ['authorization', 'content-type', 'if-match', 'idempotency-key', 'x-request-id'],
    exposedHeaders: ['etag', 'location', 'x-request-id', 'retry-after'],
    maxAge: 600,
  });
}

/** Where the routes stand; the generated documents need it without the rest. */
export function prefixRoutes(app: NestFastifyApplication): void {
  app.setGlobalPrefix('api/v1', { exclude: ['health/*probe', 'metrics'] });
}

export function openApiDocument(app: NestFastifyApplication): OpenAPIObject {
  const builder = new DocumentBuilder()
    .setTitle('Cadastre')
    .setDescription(
      'The register of a network: who holds which address, who asked, who approved, and proof that the record was not altered.',
    )
    .setVersion('1')
    .setLicense('Apache-2.0', 'https://www.apache.org/licenses/LICENSE-2.0')
    .addBearerAuth();
  return SwaggerModule.createDocument(app, builder.build(), {
    operationIdFactory: (controller, method) => `${controller.replace('Controller', '')}_${method}`,
  });
}
