import { getSchemaPath, type OpenAPIObject } from '@nestjs/swagger';
import { Problem } from './problem.dto.js';

const METHODS = ['get', 'put', 'post', 'delete', 'patch'] as const;

/** Says of every operation that whatever it does not answer otherwise is a problem document. */
export function documentProblems(document: OpenAPIObject): OpenAPIObject {
  for (const path of Object.values(document.paths)) {
    for (const method of METHODS) {
      const operation = path[method];
      if (!operation) continue;
      operation.responses.default = {
        description: 'What went wrong.',
        content: { 'application/problem+json': { schema: { $ref: getSchemaPath(Problem) } } },
      };
    }
  }
  return document;
}
