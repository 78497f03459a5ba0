import { createReadStream } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { Controller, Get, Header, Param, StreamableFile } from '@nestjs/common';
import { ApiExcludeController } from '@nestjs/swagger';
import { AppConfig, projectRoot } from '../../config/app-config.js';
import { AppError } from '../../kernel/app-error.js';
import { Public } from '../auth/access.js';
import { Unlimited } from '../limits/limit.js';
import { defineFlag } from '../settings/setting.js';
import { Settings } from '../settings/settings.js';

const WHY = 'the description of the interface holds no data, and one reads it before one has an account';
const apiDocs = defineFlag(
  'apiDocs',
  'Serve the description of the interface under `/docs`, where `CADASTRE_DOCS` lets it be served.',
  true,
);
const UI = path.dirname(createRequire(import.meta.url).resolve('swagger-ui-dist/package.json'));
/** The only files that are served, by their type. */
const FILES = new Map([
  ['swagger-ui.css', 'text/css; charset=utf-8'],
  ['swagger-ui-bundle.js', 'text/javascript; charset=utf-8'],
]);

const PAGE = `<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8" />
    <title>Cadastre API</title>
    <link rel="stylesheet" href="/docs/ui/swagger-ui.css" />
  </head>
  <body>
    <div id="ui"></div>
    <script src="/docs/ui/swagger-ui-bundle.js"></script>
    <script src="/docs/start.js"></script>
  </body>
</html>
`;
const START = `SwaggerUIBundle({ url: '/docs/openapi.json', dom_id: '#ui', deepLinking: true, docExpansion: 'none', filter: true });\n`;

/** The interface, described for people and for programs. */
@ApiExcludeController()
@Unlimited('a page of static files is several calls')
@Controller('docs')
export class DocsController {
  constructor(
    private readonly config: AppConfig,
    private readonly settings: Settings,
  ) {}

  @Get()
  @Public(WHY)
  @Header('content-type', 'text/html; charset=utf-8')
  page(): string {
    this.refuseWhenOff();
    return PAGE;
  }

  @Get('start.js')
  @Public(WHY)
  @Header('content-type', 'text/javascript; charset=utf-8')
  start(): string {
    this.refuseWhenOff();
    return START;
  }

  @Get('openapi.json')
  @Public(WHY)
  document(): StreamableFile {
    this.refuseWhenOff();
    return new StreamableFile(createReadStream(path.join(projectRoot, 'docs', 'openapi.json')), {
      type: 'application/json; charset=utf-8',
    });
  }

  @Get('ui/:file')
  @Public(WHY)
  file(@Param('file') file: string): StreamableFile {
    this.refuseWhenOff();
    const type = FILES.get(file);
    if (type === undefined) throw AppError.notFound('file', file);
    return new StreamableFile(createReadStream(path.join(UI, file)), { type });
  }

  /** As if there were no such route. */
  private refuseWhenOff(): void {
    if (!this.config.http.docs || !this.settings.get(apiDocs))
      throw new AppError('not_found', 'route_not_found', 'There is no such route.');
  }
}
