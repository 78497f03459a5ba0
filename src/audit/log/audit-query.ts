import { categoryClass } from '../trail/audit-event.js';
import { type AuditFilter } from './audit-log.dto.js';

/** Ids carry the millisecond of their making; the clock that says when an event happened may differ from it by less than this. */
const CLOCK_SLACK_MS = 3_600_000;

type Side = 'log' | 'inbox';
type Condition = (parameter: string, side: Side) => string;

const JSON_PATHS = {
  actor_id: '{actor,id}',
  action: '{action}',
  category: '{category}',
  severity: '{severity}',
  outcome: '{outcome}',
  resource_type: '{resource,type}',
  resource_id: '{resource,id}',
  correlation_id: '{correlationId}',
} as const;

/** The log has columns and their indexes; the inbox has nothing but the event itself. */
const equals =
  (column: keyof typeof JSON_PATHS): Condition =>
  (parameter, side) =>
    side === 'log' ? `e.${column} = ${parameter}` : `audit_readable(e.payload) #>> '${JSON_PATHS[column]}' = ${parameter}`;

/**
 * Newest events first. The log and the tail that is not filed yet are cut to the page before they are merged, in one snapshot, so that an
 * event which is filed meanwhile is seen once and neither scan is longer than it must be.
 */
export function auditQuery(filter: AuditFilter, after: string | undefined, limit: number): { sql: string; parameters: unknown[] } {
  const parameters: unknown[] = [];
  const conditions: Record<Side, string[]> = { log: [], inbox: [] };
  const where = (value: unknown, condition: Condition): void => {
    if (value === undefined) return;
    const parameter = `$${parameters.push(value)}`;
    for (const side of ['log', 'inbox'] as const) conditions[side].push(condition(parameter, side));
  };

  where(filter.actor, equals('actor_id'));
  where(filter.action, equals('action'));
  // A category is a retention class, and that is a partition.
  where(filter.category && categoryClass[filter.category], (p) => `e.class = ${p}::smallint`);
  where(filter.severity, equals('severity'));
  where(filter.outcome, equals('outcome'));
  where(filter.resourceType, equals('resource_type'));
  where(filter.resourceId, equals('resource_id'));
  where(filter.correlationId, equals('correlation_id'));
  where(filter.from, (p, side) => `${occurredAt(side)} >= ${p}`);
  where(filter.to, (p, side) => `${occurredAt(side)} < ${p}`);
  where(filter.from && lowestIdAt(filter.from.getTime() - CLOCK_SLACK_MS), (p) => `e.id >= ${p}::uuid`);
  where(filter.to && lowestIdAt(filter.to.getTime() + CLOCK_SLACK_MS), (p) => `e.id < ${p}::uuid`);
  where(after, (p) => `e.id < ${p}::uuid`);
  const most = `$${parameters.push(limit)}`;

  const part = (side: Side, columns: string): string => `
    (SELECT e.id, e.payload, e.recorded_at AS "recordedAt", ${columns}
       FROM ${side === 'log' ? 'audit_log' : 'audit_inbox'} e
      ${conditions[side].length > 0 ? `WHERE ${conditions[side].join(' AND ')}` : ''}
      ORDER BY e.id DESC LIMIT ${most})`;
  const sql = `
    SELECT id, payload, "recordedAt", filed, seq, (SELECT q.reason FROM audit_quarantine q WHERE q.id = page.id LIMIT 1) AS quarantined
      FROM (${part('log', 'true AS filed, e.seq')} UNION ALL ${part('inbox', 'false, NULL')}) page
     ORDER BY id DESC LIMIT ${most}`;
  return { sql, parameters };
}

function occurredAt(side: Side): string {
  return side === 'log' ? 'e.occurred_at' : `coalesce((audit_readable(e.payload) ->> 'at')::timestamptz, e.recorded_at)`;
}

/** The lowest version 7 uuid of a millisecond (RFC 9562 §5.7). */
function lowestIdAt(ms: number): string {
  const hex = Math.min(Math.max(ms, 0), 2 ** 48 - 1)
    .toString(16)
    .padStart(12, '0');
  return `${hex.slice(0, 8)}-${hex.slice(8)}-7000-8000-000000000000`;
}
