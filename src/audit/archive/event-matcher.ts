import { type Json } from '../../kernel/canonical-json.js';
import { isInside, parseIp, parseNetwork } from '../../kernel/ip-address.js';
import { isAmong, patternsOf } from '../log/action-words.js';
import { type AuditQuestion } from '../log/audit-query.js';
import { UNTYPED, wordsAsked, wordsOf } from '../log/text-query.js';

type Event = Record<string, Json>;
type Condition = (event: Event) => boolean;

/** The filters of the trail's search, for events that no database holds. */
export interface EventMatcher {
  /** By what every payload says in the clear. */
  matches: Condition;
  /** By what may be encrypted: to be asked of events that were opened. Undefined when the question needs none of it. */
  matchesOpened: Condition | undefined;
}

export function matcherOf(question: AuditQuestion): EventMatcher {
  const clear: Condition[] = [];
  const personal: Condition[] = [];
  const where = <T>(value: T | undefined, condition: (value: T) => Condition, into = clear): void => {
    if (value !== undefined) into.push(condition(value));
  };
  const equals =
    (...path: string[]) =>
    (value: string): Condition =>
    (event) =>
      textAt(event, path) === value;
  where(question.actor, equals('actor', 'id'));
  where(question.action, (action) => {
    const patterns = patternsOf(action);
    return patterns ? (event) => isAmong(textAt(event, ['action']) ?? '', patterns) : equals('action')(action);
  });
  where(question.patterns, (patterns) => (event) => isAmong(textAt(event, ['action']) ?? '', patterns));
  where(question.category, equals('category'));
  where(question.severity, equals('severity'));
  where(question.severities, (severities) => (event) => severities.some((severity) => severity === textAt(event, ['severity'])));
  where(question.outcome, equals('outcome'));
  where(question.resourceType, equals('resource', 'type'));
  where(question.resourceId, equals('resource', 'id'));
  where(question.correlationId, equals('correlationId'));
  where(question.flag, (flag) => (event) => Array.isArray(event.flags) && event.flags.includes(flag));
  where(question.from, (from) => (event) => Date.parse(textAt(event, ['at']) ?? '') >= from.getTime());
  where(question.to, (to) => (event) => Date.parse(textAt(event, ['at']) ?? '') < to.getTime());
  where(question.actorName, (name) => (event) => textAt(event, ['actor', 'name'])?.toLowerCase() === name.toLowerCase(), personal);
  where(question.clientAddress, fromAddress, personal);
  where(question.text, withWords, personal);
  const all =
    (conditions: readonly Condition[]): Condition =>
    (event) =>
      conditions.every((condition) => condition(event));
  return { matches: all(clear), matchesOpened: personal.length > 0 ? all(personal) : undefined };
}

function fromAddress(asked: string): Condition {
  const network = parseNetwork(asked);
  const address = parseIp(asked);
  return (event) => {
    const ip = parseIp(textAt(event, ['request', 'clientIp']) ?? '');
    if (!ip) return false;
    return network ? isInside(ip, network) : ip.family === address?.family && ip.value === address.value;
  };
}

/** The same words as those of audit_words(). */
function withWords(text: string): Condition {
  const asked = wordsAsked(text);
  if (asked.length === 0) return () => false;
  return (event) => {
    const said = [
      textAt(event, ['action']),
      textAt(event, ['resource', 'name'])?.slice(0, 300),
      textAt(event, ['resource', 'id'])?.slice(0, 300),
      textAt(event, ['actor', 'name'])?.slice(0, 300),
      textAt(event, ['actor', 'ownerId']),
      event.detail === undefined ? undefined : JSON.stringify(event.detail).slice(0, 4000),
    ];
    const words = wordsOf(said.filter((part) => part !== undefined).join(' '));
    const name = textAt(event, ['actor', 'name']);
    if (name !== undefined) words.add(`${UNTYPED}actor:${name.slice(0, 190).toLowerCase()}`);
    return asked.every(({ word, prefix }) => (prefix ? [...words].some((known) => known.startsWith(word)) : words.has(word)));
  };
}

function textAt(event: Event, path: readonly string[]): string | undefined {
  let at: Json | undefined = event;
  for (const name of path) at = typeof at === 'object' && at !== null && !Array.isArray(at) ? at[name] : undefined;
  return typeof at === 'string' ? at : undefined;
}
