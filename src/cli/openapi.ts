import { type OpenAPIObject } from '@nestjs/swagger';
import { type Command, CommandError, parse, UsageError } from './command.js';
import { keepGenerated } from './generated-file.js';
import { previewApplication } from './preview.js';

export const openapi: Command = {
  usage: ['openapi [--check]'],
  summary: 'Write docs/openapi.json from the sources, or check that it is up to date.',
  async run(args) {
    const { values, positionals } = parse(args, { check: { type: 'boolean', default: false } });
    if (positionals.length > 0) throw new UsageError(`Unexpected argument '${positionals[0] ?? ''}'.`);
    const { document } = await previewApplication();
    const silent = operationsWithoutAccess(document);
    if (silent.length > 0) throw new CommandError(`Routes without @Requires or @Public: ${silent.join(', ')}`);
    return keepGenerated([{ name: 'docs/openapi.json', text: `${JSON.stringify(document, null, 2)}\n` }], 'openapi', values.check);
  },
};

function operationsWithoutAccess(document: OpenAPIObject): string[] {
  return Object.entries(document.paths).flatMap(([path, operations]) =>
    Object.entries(operations)
      .filter(([, operation]: [string, object]) => !('x-permission' in operation) && !('x-public' in operation))
      .map(([method]) => `${method.toUpperCase()} ${path}`),
  );
}
