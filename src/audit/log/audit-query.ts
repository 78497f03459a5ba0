import { auditClasses, type AuditSeverity } from '../trail/audit-event.js';
import { likeOf, patternsOf } from './action-words.js';
import { type AuditFilter } from './audit-filter.dto.js';
import { nameQuery, textQuery } from './text-query.js';

/** Ids carry the millisecond of their making; the clock that says when an event happened may differ from it by less than this. */
const CLOCK_SLACK_MS = 3_600_000;
/**
 * An event is sealed after it happened, by the database's clock; by the program's it may have happened up to this much later. There is no such
 * bound on the other side: what was spooled is sealed days after.
 */
export const SEALED_SLACK_MS = 86_400_000;

type Side = 'log' | 'inbox';
type Condition = (parameter: string, side: Side) => string;

/** What a caller may ask, and what only the program asks. */
export type AuditQuestion = Omit<AuditFilter, 'limit' | 'after'> & {
  /** Of the log's actions those that the pattern in `action` means; required with one. */
  actions?: readonly string[];
  /** Any of these patterns; with `actions`. */
  patterns?: readonly string[];
  severities?: readonly AuditSeverity[];
};

export interface Slice {
  limit: number;
  /** Newest first unless said. */
  order?: 'newest' | 'oldest' | undefined;
  /** Beyond this id, in that order. */
  after?: string | undefined;
  /** Up to this id. */
  ceiling?: string | undefined;
}

const JSON_PATHS = {
  actor_id: '{actor,id}',
  action: '{action}',
  category: '{category}',
  severity: '{severity}',
  outcome: '{outcome}',
  resource_type: '{resource,type}',
  resource_id: '{resource,id}',
  correlation_id: '{correlationId}',
  client_ip: '{request,clientIp}',
} as const;

/** The log has columns and their indexes; the inbox has nothing but the event itself. */
const column = (name: keyof typeof JSON_PATHS, side: Side): string =>
  side === 'log' ? `e.${name}` : `(audit_readable(e.payload) #>> '${JSON_PATHS[name]}')`;

/** The address lies beside the payload of an event that has somebody's encrypted. */
const clientIp = (side: Side): string => (side === 'log' ? 'e.client_ip' : `coalesce(e.client_ip, ${column('client_ip', side)}::inet)`);

const equals =
  (name: keyof typeof JSON_PATHS): Condition =>
  (parameter, side) =>
    `${column(name, side)} = ${parameter}`;

/**
 * Events that any of the questions means, each once. The log and the tail that is not filed yet are cut to the page before they are merged,
 * in one snapshot, so that an event which is filed meanwhile is seen once and no scan is longer than it must be.
 */
export function auditQuery(asked: AuditQuestion | readonly AuditQuestion[], slice: Slice): { sql: string; parameters: unknown[] } {
  const parameters: unknown[] = [];
  const questions: readonly AuditQuestion[] = Array.isArray(asked) ? asked : [asked as AuditQuestion];
  const most = `$${parameters.push(slice.limit)}`;
  const direction = slice.order === 'oldest' ? 'ASC' : 'DESC';
  const parts = questions.flatMap((question) => {
    const conditions = conditionsOf(question, slice, parameters);
    const words = wordConditions(question, parameters);
    const log =
      words.length > 0
        ? wordsInLog({ conditions: conditions.log, words, order: `ORDER BY e.id ${direction}`, most, limit: slice.limit })
        : `SELECT ${LOG_EVENT} FROM audit_log e ${where(conditions.log)} ORDER BY e.id ${direction} LIMIT ${most}`;
    return [
      `(${log})`,
      `(SELECT e.id, e.payload, e.recorded_at, false, NULL FROM audit_inbox e ${where([...conditions.inbox, ...words])} ORDER BY e.id ${direction} LIMIT ${most})`,
    ];
  });
  const sql = `
    SELECT id, payload, "recordedAt", filed, seq, (SELECT q.reason FROM audit_quarantine q WHERE q.id = page.id LIMIT 1) AS quarantined
      FROM (${parts.join(questions.length > 1 ? ' UNION ' : ' UNION ALL ')}) page
     ORDER BY id ${direction} LIMIT ${most}`;
  return { sql, parameters };
}

const LOG_EVENT = 'e.id, e.payload, e.recorded_at AS "recordedAt", true AS filed, e.seq';

/** So many events are looked through before the index of words is asked: frequent words fill a page there. */
const NEAR = 500;
/** As many events are said to be wanted of those with certain words: see below. */
const WANTED = 2000;

interface WordsInLog {
  conditions: readonly string[];
  words: readonly string[];
  order: string;
  /** The parameter of `limit`. */
  most: string;
  limit: number;
}

/**
 * The planner takes words it knows nothing of for far more frequent than they are, up to one event in two hundred. For the few of a page it
 * would look for them through the whole log, which takes minutes; for two thousand, decided upon for themselves, it asks the index of words in
 * logs of up to 80 million events, and looks for words it knows to be frequent at the end of the log.
 */
function wordsInLog({ conditions, words, order, most, limit }: WordsInLog): string {
  return `
    WITH near AS MATERIALIZED (
      SELECT ${LOG_EVENT} FROM (SELECT * FROM audit_log e ${where(conditions)} ${order} LIMIT ${NEAR}) e ${where(words)} ${order} LIMIT ${most}
    ), filled AS MATERIALIZED (
      SELECT count(*) = ${most} AS yes FROM near
    ), found AS MATERIALIZED (
      SELECT ${LOG_EVENT} FROM audit_log e ${where([...conditions, ...words])} AND NOT (SELECT yes FROM filled) ${order}
       LIMIT ${Math.max(WANTED, limit)}
    )
    SELECT e.* FROM near e WHERE (SELECT yes FROM filled)
     UNION ALL
    (SELECT e.* FROM found e ${order} LIMIT ${most})`;
}

function where(conditions: readonly string[]): string {
  return conditions.length > 0 ? `WHERE ${conditions.join(' AND ')}` : '';
}

/** The same on both sides. */
function wordConditions({ text, actorName }: AuditQuestion, parameters: unknown[]): string[] {
  const queries = [actorName === undefined ? undefined : nameQuery(actorName), text === undefined ? undefined : (textQuery(text) ?? '')];
  return queries.flatMap((query) =>
    query === undefined ? [] : [`audit_words(e.payload, e.names) @@ $${parameters.push(query)}::tsquery`],
  );
}

/** For a query of one's own on the log alone: the filters as conditions on `e`, their values appended to the parameters. */
export function logConditions(question: AuditQuestion, parameters: unknown[]): string[] {
  return [...conditionsOf(question, {}, parameters, ['log']).log, ...wordConditions(question, parameters)];
}

/**
 * For a query of one's own on the view audit_events, as `e`: leaves out the months in which nothing was sealed that happened since then. Its
 * value is appended to the parameters.
 */
export function sealedSince(instant: Date, parameters: unknown[]): string {
  return `(e.sealed_at IS NULL OR ${notSealedBefore(instant, parameters)})`;
}

/** All but those of words. */
function conditionsOf(
  question: AuditQuestion,
  slice: Omit<Slice, 'limit'>,
  parameters: unknown[],
  sides: readonly Side[] = ['log', 'inbox'],
): Record<Side, string[]> {
  const conditions: Record<Side, string[]> = { log: [], inbox: [] };
  const add = (value: unknown, condition: Condition): void => {
    if (value === undefined) return;
    const parameter = `$${parameters.push(value)}`;
    for (const side of sides) conditions[side].push(condition(parameter, side));
  };
  const { action, actions, from, to, order, after, ceiling } = { ...question, ...slice };

  add(question.actor, equals('actor_id'));
  const patterns = question.patterns ?? (action === undefined ? undefined : patternsOf(action));
  if (!patterns) add(action, equals('action'));
  else {
    // The log by a list that its index can answer; the inbox, where an action may be that no list has yet, by the patterns themselves.
    conditions.log.push(`e.action = ANY ($${parameters.push([...(actions ?? [])])}::text[])`);
    if (sides.includes('inbox'))
      conditions.inbox.push(`${column('action', 'inbox')} LIKE ANY ($${parameters.push(patterns.map(likeOf))}::text[])`);
  }
  add(question.category, equals('category'));
  // It lies in two partitions at most.
  add(question.category && auditClasses[question.category], (p) => `e.class IN (${p}::smallint, ${auditClasses.critical})`);
  add(question.severity, equals('severity'));
  // The literal lets the planner use the index of what is notable.
  add(
    question.severities && [...question.severities],
    (p, s) => `${column('severity', s)} = ANY (${p}::text[]) AND ${column('severity', s)} <> 'info'`,
  );
  add(question.outcome, equals('outcome'));
  add(question.resourceType, equals('resource_type'));
  add(question.resourceId, equals('resource_id'));
  add(question.correlationId, equals('correlation_id'));
  add(
    question.clientAddress?.replace(/^::ffff:(?=\d+\.)/i, ''),
    (p, side) => `${clientIp(side)} ${question.clientAddress?.includes('/') === true ? '<<=' : '='} ${p}::inet`,
  );
  add(question.flag, (p, side) =>
    side === 'log' ? `e.flags @> ARRAY[${p}]::text[] AND e.flags <> '{}'` : `audit_readable(e.payload) -> 'flags' @> to_jsonb(${p}::text)`,
  );
  add(from, (p, side) => `${occurredAt(side)} >= ${p}`);
  add(to, (p, side) => `${occurredAt(side)} < ${p}`);
  // So that months before are not visited: the log is partitioned by it.
  if (from) conditions.log.push(notSealedBefore(from, parameters));
  add(from && lowestIdAt(from.getTime() - CLOCK_SLACK_MS), (p) => `e.id >= ${p}::uuid`);
  add(to && lowestIdAt(to.getTime() + CLOCK_SLACK_MS), (p) => `e.id < ${p}::uuid`);
  add(after, (p) => `e.id ${order === 'oldest' ? '>' : '<'} ${p}::uuid`);
  add(ceiling, (p) => `e.id <= ${p}::uuid`);
  return conditions;
}

function notSealedBefore(from: Date, parameters: unknown[]): string {
  return `e.sealed_at >= $${parameters.push(new Date(from.getTime() - SEALED_SLACK_MS))}::timestamptz`;
}

function occurredAt(side: Side): string {
  return side === 'log' ? 'e.occurred_at' : `coalesce((audit_readable(e.payload) ->> 'at')::timestamptz, e.recorded_at)`;
}

/** The lowest version 7 uuid of a millisecond (RFC 9562 §5.7). */
export function lowestIdAt(ms: number): string {
  const hex = Math.min(Math.max(ms, 0), 2 ** 48 - 1)
    .toString(16)
    .padStart(12, '0');
  return `${hex.slice(0, 8)}-${hex.slice(8)}-7000-8000-000000000000`;
}
