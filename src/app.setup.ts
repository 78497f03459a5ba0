import cors from '@fastify/cors';
import { type Type } from '@nestjs/common';
import { DiscoveryService, ModulesContainer, NestFactory } from '@nestjs/core';
import { type NestFastifyApplication } from '@nestjs/platform-fastify';
import { DocumentBuilder, type OpenAPIObject, SwaggerModule } from '@nestjs/swagger';
import { AppModule } from './app.module.js';
import { AppConfig } from './config/app-config.js';
import { CONSOLE_COOKIE } from './platform/auth/credentials.js';
import { documentHeaders, headersOf } from './platform/http/documented-headers.js';
import { acceptForms } from './platform/http/forms.js';
import { Problem } from './platform/http/problem.dto.js';
import { ProblemFilter } from './platform/http/problem.filter.js';
import { documentProblems } from './platform/http/problem-responses.js';
import { Refusals } from './platform/http/refusals.js';
import { createAdapter } from './platform/http/server.js';
import { acceptUploads } from './platform/http/uploads.js';
import { EdgeValidation } from './platform/http/validation.js';
import { AddressLimit } from './platform/limits/address-limit.js';
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
  app.get(AddressLimit).watch(app.getHttpAdapter().getInstance());
  prefixRoutes(app);
  app.useGlobalPipes(new EdgeValidation());
  app.useGlobalFilters(new ProblemFilter(app.get(Log), app.get(Refusals)));
  await acceptUploads(app, config, ['/api/v1/ipam/imports']);
  acceptForms(app, ['/api/v1/auth/providers/:slug/acs', '/api/v1/auth/providers/:slug/logout-token']);
  // Without origins no browser page may call: the preflight finds no route, and nothing allows its answer to be read.
  if (config.http.corsOrigins.length === 0) return;
  await app.register(cors, {
    origin: [...config.http.corsOrigins],
    methods: ['GET', 'POST', 'PUT', 'PATCH', 'DELETE'],
    allowedHeaders: ['authorization', 'x-api-key', 'content-type', 'if-match', 'idempotency-key', 'x-request-id'],
    exposedHeaders: ['etag', 'location', 'x-request-id', 'retry-after', 'ratelimit', 'ratelimit-policy'],
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
    .addBearerAuth({ type: 'http', scheme: 'bearer', description: 'An access token, or an API key.' })
    .addApiKey({ type: 'apiKey', name: 'X-API-Key', in: 'header', description: 'An API key.' }, 'key')
    .addCookieAuth(CONSOLE_COOKIE, { type: 'apiKey', in: 'cookie', description: 'The console’s session.' }, 'console');
  const operationIdFactory = (controller: string, method: string): string => `${controller.replace('Controller', '')}_${method}`;
  const document = SwaggerModule.createDocument(app, builder.build(), { operationIdFactory, extraModels: [Problem] });
  const controllers = new DiscoveryService(app.get(ModulesContainer))
    .getControllers()
    .flatMap(({ metatype }) => (metatype ? [metatype as Type] : []));
  return documentHeaders(documentProblems(document), headersOf(controllers, operationIdFactory));
}
