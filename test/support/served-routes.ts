import { type FastifyInstance } from 'fastify';
import { type TestApp } from './test-app.js';

const LINE = /^((?:│ {3}| {4})*)[├└]── (.*?)(?: \(([A-Z, ]+)\))?$/;

/** What the HTTP server itself answers, whoever registered it: `GET /path`, read off the tree its router prints. */
export function servedRoutes(t: TestApp): string[] {
  const server: FastifyInstance = t.app.getHttpAdapter().getInstance();
  const above: string[] = [];
  return server
    .printRoutes()
    .split('\n')
    .filter((line) => line !== '')
    .flatMap((line) => {
      const [, indent = '', label = '', methods] = LINE.exec(line) ?? [];
      if (label === '') throw new Error(`The router's tree has a line this cannot read: ${line}`);
      const depth = indent.length / 4;
      const path = (above[depth - 1] ?? '') + (label === '(empty root node)' ? '' : label);
      above[depth] = path;
      return methods === undefined ? [] : methods.split(', ').map((method) => `${method} ${path}`);
    })
    .sort();
}
