import { ApplicationConfig, DiscoveryService, MetadataScanner, ModulesContainer, NestFactory } from '@nestjs/core';
import { type NestFastifyApplication } from '@nestjs/platform-fastify';
import { type OpenAPIObject } from '@nestjs/swagger';
import { AppModule } from '../app.module.js';
import { openApiDocument, prefixRoutes } from '../app.setup.js';
import { loadConfig } from '../config/app-config.js';
import { type RouteAccess, RouteAccessList } from '../platform/auth/route-access.js';
import { createAdapter } from '../platform/http/server.js';

/** The application's shape without its parts: no provider is made, so no database is needed. The environment has no say in it. */
export async function previewApplication(): Promise<{ document: OpenAPIObject; routes: RouteAccess[] }> {
  const config = loadConfig({});
  const app = await NestFactory.create<NestFastifyApplication>(AppModule.with(config), createAdapter(config), {
    preview: true,
    abortOnError: false,
    logger: ['error'],
  });
  prefixRoutes(app);
  const discovery = new DiscoveryService(app.get(ModulesContainer));
  const routes = new RouteAccessList(discovery, new MetadataScanner(), app.get(ApplicationConfig)).list();
  return { document: openApiDocument(app), routes };
}
