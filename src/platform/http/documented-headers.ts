import { type Type } from '@nestjs/common';
import { ROUTE_ARGS_METADATA } from '@nestjs/common/constants.js';
import { type OpenAPIObject } from '@nestjs/swagger';

const HEADER_ARGUMENT = '6:';
const METHODS = ['get', 'put', 'post', 'delete', 'patch'] as const;
const MEANINGS: Record<string, { name: string; description: string }> = {
  'if-match': {
    name: 'If-Match',
    description: 'The ETag that was read: the change is refused with 412 when it is not the present one.',
  },
  'idempotency-key': {
    name: 'Idempotency-Key',
    description: 'Of the caller’s choice, 1 to 255 visible ASCII characters: the same request sent again with it gets the first answer.',
  },
};

/** The header fields that each handler reads, which the framework leaves out of the document; by operation id. */
export function headersOf(controllers: readonly Type[], idOf: (controller: string, method: string) => string): Map<string, string[]> {
  const found = new Map<string, string[]>();
  for (const controller of controllers)
    for (const method of Object.getOwnPropertyNames(controller.prototype)) {
      const taken = (Reflect.getMetadata(ROUTE_ARGS_METADATA, controller, method) ?? {}) as Record<string, { data?: unknown }>;
      const names = Object.entries(taken)
        .filter(([key]) => key.startsWith(HEADER_ARGUMENT))
        .map(([, { data }]) => String(data));
      if (names.length > 0) found.set(idOf(controller.name, method), names);
    }
  return found;
}

/** Says of every operation which of the house's header fields it understands. */
export function documentHeaders(document: OpenAPIObject, headers: ReadonlyMap<string, string[]>): OpenAPIObject {
  for (const path of Object.values(document.paths))
    for (const method of METHODS) {
      const operation = path[method];
      for (const header of headers.get(operation?.operationId ?? '') ?? []) {
        const meaning = MEANINGS[header];
        if (operation && meaning)
          (operation.parameters ??= []).push({ ...meaning, in: 'header', required: false, schema: { type: 'string' } });
      }
    }
  return document;
}
