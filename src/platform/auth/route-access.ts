import { Injectable, type OnApplicationBootstrap, RequestMethod } from '@nestjs/common';
import { METHOD_METADATA, PATH_METADATA } from '@nestjs/common/constants.js';
import { ApplicationConfig, DiscoveryService, MetadataScanner } from '@nestjs/core';
import { ACCESS, type Access } from './access.js';

export interface RouteAccess {
  method: string;
  path: string;
  access: Access | undefined;
}

/** Knows what every route asks of its caller; refuses to start while one says nothing. */
@Injectable()
export class RouteAccessList implements OnApplicationBootstrap {
  constructor(
    private readonly discovery: DiscoveryService,
    private readonly scanner: MetadataScanner,
    private readonly app: ApplicationConfig,
  ) {}

  list(): RouteAccess[] {
    return this.discovery
      .getControllers()
      .flatMap(({ metatype }) => {
        if (!metatype) return [];
        const base = String(Reflect.getMetadata(PATH_METADATA, metatype));
        // A class's prototype is typed any; its members are looked at through reflection only.
        const prototype = metatype.prototype as Record<string, () => unknown>;
        return this.scanner.getAllMethodNames(prototype).flatMap((name) => {
          const handler = prototype[name];
          if (!handler || Reflect.getMetadata(METHOD_METADATA, handler) === undefined) return [];
          const method = RequestMethod[Reflect.getMetadata(METHOD_METADATA, handler) as number] ?? 'ALL';
          const path = this.servedPath(`/${base}/${String(Reflect.getMetadata(PATH_METADATA, handler))}`);
          return [{ method, path, access: Reflect.getMetadata(ACCESS, handler) as Access | undefined }];
        });
      })
      .sort((a, b) => a.path.localeCompare(b.path) || a.method.localeCompare(b.method));
  }

  onApplicationBootstrap(): void {
    const silent = this.list().filter(({ access }) => !access);
    if (silent.length > 0)
      throw new Error(`Routes without @Requires or @Public: ${silent.map(({ method, path }) => `${method} ${path}`).join(', ')}`);
  }

  /** With the prefix, unless the set-up keeps this path free of it. */
  private servedPath(declared: string): string {
    const path = declared.replace(/\/+/g, '/').replace(/(.)\/$/, '$1');
    const unprefixed = this.app.getGlobalPrefixOptions().exclude?.some(({ pathRegex }) => pathRegex.test(path)) ?? false;
    return unprefixed ? path : `/${this.app.getGlobalPrefix()}${path}`;
  }
}
