import { readFileSync } from 'node:fs';

/** As much of a schema object as the document uses. */
export interface Schema {
  $ref?: string;
  type?: string;
  format?: string;
  nullable?: boolean;
  enum?: unknown[];
  example?: unknown;
  properties?: Record<string, Schema>;
  required?: string[];
  items?: Schema;
  allOf?: Schema[];
  oneOf?: Schema[];
  anyOf?: Schema[];
  default?: unknown;
  minimum?: number;
  maximum?: number;
  minLength?: number;
  maxLength?: number;
  maxItems?: number;
}

export interface Content {
  content?: Record<string, { schema?: Schema }>;
}

interface Parameter {
  name: string;
  in: string;
  required?: boolean;
  schema: Schema;
}

export interface Operation {
  operationId: string;
  parameters: Parameter[];
  requestBody?: Content;
  responses: Record<string, Content & { description: string }>;
  security?: Record<string, string[]>[];
  tags?: string[];
  'x-recent-proof'?: boolean;
  'x-permission'?: string;
  'x-public'?: string;
}

interface Document {
  openapi: string;
  info: { title: string; version: string };
  paths: Record<string, Record<string, Operation>>;
  components: { schemas: Record<string, Schema>; securitySchemes?: Record<string, unknown> };
}

/** docs/openapi.json: made by the build, whose compiler reads the types; what the tests compile themselves has no schemas. */
export const openApi = JSON.parse(readFileSync(new URL('../../docs/openapi.json', import.meta.url), 'utf8')) as Document;

/** Every operation by its route's name: `GET /api/v1/users/:id`. */
export const operations: Record<string, Operation> = Object.fromEntries(
  Object.entries(openApi.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => [
      `${method.toUpperCase()} ${path.replaceAll(/\{(\w+)\}/g, ':$1').replaceAll(/\{\*\w+\}/g, '*')}`,
      operation,
    ]),
  ),
);

/** The schema itself. Throws for a reference to nothing. */
export function resolved(schema: Schema): Schema {
  if (schema.$ref === undefined) return schema;
  const name = schema.$ref.replace('#/components/schemas/', '');
  const found = openApi.components.schemas[name];
  if (!found) throw new Error(`The document has no schema ${schema.$ref}.`);
  return resolved(found);
}

/** The schema of a body, of whatever media type; undefined where there is no body. */
export function schemaOf(body: Content | undefined): Schema | undefined {
  return Object.values(body?.content ?? {})[0]?.schema;
}

/** Where a value is not what its schema says, or says more than that. */
export function mismatches(given: Schema, value: unknown, at = ''): string[] {
  const schema = resolved(given);
  if (value === null) return given.nullable === true || schema.nullable === true ? [] : [`${at} is null`];
  const alternatives = schema.oneOf ?? schema.anyOf;
  if (alternatives) return alternatives.some((one) => mismatches(one, value, at).length === 0) ? [] : [`${at} is none of what it may be`];
  if (schema.allOf) return schema.allOf.flatMap((part) => mismatches(part, value, at));
  if (schema.enum && !schema.enum.includes(value)) return [`${at} is ${JSON.stringify(value)}, which is not in the list`];
  if (schema.type === 'array')
    return Array.isArray(value) ? value.flatMap((item, i) => mismatches(schema.items ?? {}, item, `${at}/${i}`)) : [`${at} is no list`];
  if (schema.type === 'object' || schema.properties) return membersOf(schema, value, at);
  const type = schema.type === 'integer' ? 'number' : schema.type;
  return type === undefined || typeof value === type ? [] : [`${at} is a ${typeof value}, not a ${type}`];
}

function membersOf(schema: Schema, value: unknown, at: string): string[] {
  // Free-form: any JSON may stand there.
  if (!schema.properties) return [];
  if (typeof value !== 'object' || value === null) return [`${at} is no object`];
  const members = value as Record<string, unknown>;
  const missing = (schema.required ?? []).filter((name) => !(name in members)).map((name) => `${at}/${name} is missing`);
  const wrong = Object.entries(members).flatMap(([name, member]) => {
    const property = schema.properties?.[name];
    return property ? mismatches(property, member, `${at}/${name}`) : [`${at}/${name} is not documented`];
  });
  return [...missing, ...wrong];
}
