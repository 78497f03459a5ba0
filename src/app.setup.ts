import cors from '@fastify/cors';
import { NestFactory } from '@nestjs/core';
import { type NestFastifyApplication } from '@nestjs/platform-fastify';
import { DocumentBuilder, type OpenAPIObject, SwaggerModule } from '@nestjs/swagger';
import { AppModule } from './app.module.js';
import { AppConfig } from './config/app-config.js';
import { Problem } from './platform/http/problem.dto.js';
import { ProblemFilter } from './platform/http/problem.filter.js';
import { documentProblems } from './platform/http/problem-responses.js';
import { Refusals } from './platform/http/refusals.js';
import { createAdapter } from './platform/http/server.js';
import { acceptUploads } from './platform/http/uploads.js';
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

async function configureApp(app: NestFastifyApplication): Promise<void> {
  const config = app.get(AppConfig);
  prefixRoutes(app);
  app.useGlobalPipes(new EdgeValidation());
  app.useGlobalFilters(new ProblemFilter(app.get(Log), app.get(Refusals)));
  await acceptUploads(app, config, ['/api/v1/ipam/imports']);
  // Without origins no browser page may call: the preflight finds no route, and nothing allows its answer to be read.
  if (config.http.corsOrigins.length === 0) return;
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
  app.setGlobalPrefix('api/v1', { exclude: ['health/*probe', 'metrics', 'docs', 'docs/*file'] });
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
  const document = SwaggerModule.createDocument(app, builder.build(), {
    operationIdFactory: (controller, method) => `${controller.replace('Controller', '')}_${method}`,
    extraModels: [Problem],
  });
  return documentProblems(document);
}
