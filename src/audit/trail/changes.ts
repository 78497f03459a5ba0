import { canonicalJson, type Json, toJson } from '../../kernel/canonical-json.js';
import { redact } from '../../platform/logging/redaction.js';

export interface Change {
  field: string;
  before: Json;
  after: Json;
}

/** Fields that change with every write and say nothing. */
const BOOKKEEPING = new Set(['version', 'updatedAt', 'etag']);

/** The row's fields as the trail keeps them: JSON, secrets redacted. */
export function auditable(row: object): Record<string, Json> {
  const json = redact(toJson(row));
  return Object.fromEntries(Object.entries(json as Record<string, Json>).filter(([field]) => !BOOKKEEPING.has(field)));
}

/** Exactly the fields that differ, by their canonical form, in alphabetical order. */
export function changesBetween(before: object, after: object): Change[] {
  const was = toJson(before) as Record<string, Json>;
  const is = toJson(after) as Record<string, Json>;
  const shownBefore = auditable(before);
  const shownAfter = auditable(after);
  return [...new Set([...Object.keys(was), ...Object.keys(is)])]
    .filter((field) => !BOOKKEEPING.has(field) && canonicalJson(was[field] ?? null) !== canonicalJson(is[field] ?? null))
    .sort()
    .map((field) => ({ field, before: shownBefore[field] ?? null, after: shownAfter[field] ?? null }));
}
