import { isIPv4, isIPv6 } from 'node:net';
import { isJsonObject, type Json } from '../../kernel/canonical-json.js';
import { type Heads } from './scanned.js';

/** A row of the log as the server prints it, time zone UTC. */
export interface LoggedRow {
  seq: number;
  id: string;
  payload: string;
  /** What lies beside the payload of an event that has something personal encrypted; the salt in hex as the server prints it. */
  names: string | null;
  salt: string | null;
  /** The columns that repeat what the payload says, in the order of `PROJECTED`. */
  columns: (string | null)[];
}

/** Where `client_ip` stands among `PROJECTED`. */
export const CLIENT_IP = 8;

/** Columns that searches look at and that must say what the sealed payload says. */
export const PROJECTED = [
  'occurred_at',
  'actor_id',
  'action',
  'category',
  'severity',
  'outcome',
  'resource_type',
  'resource_id',
  'client_ip',
  'correlation_id',
  'flags',
] as const;

export const LOGGED_ROW = `l.seq, l.id, l.payload, l.names, l.salt, l.occurred_at, l.actor_id, l.action, l.category, l.severity, l.outcome,
  l.resource_type, l.resource_id, host(l.client_ip), l.correlation_id, l.flags`;

/**
 * What the columns should say, by the server's own conversions. Written out here although the database has a function for it: who can
 * change a row can change that too.
 */
export const EXPECTED_COLUMNS = `
  WITH given AS MATERIALIZED (
    SELECT $1::text AS payload
  ), parsed AS MATERIALIZED (
    SELECT CASE WHEN pg_input_is_valid(payload, 'jsonb') THEN payload::jsonb END AS j FROM given
  ), readable AS (
    SELECT CASE
      WHEN j IS NULL OR jsonb_typeof(j) <> 'object' OR jsonb_typeof(j -> 'flags') IS DISTINCT FROM 'array'
           OR pg_input_is_valid(j ->> 'at', 'timestamptz') IS NOT TRUE OR j ->> 'action' IS NULL OR j ->> 'category' IS NULL
           OR j ->> 'severity' IS NULL OR j ->> 'outcome' IS NULL
      THEN '{"action": "audit.unreadable", "category": "meta", "severity": "critical", "outcome": "failure", "flags": []}'::jsonb
      WHEN NOT pg_input_is_valid(j #>> '{request,clientIp}', 'inet') THEN j #- '{request,clientIp}'
      ELSE j END AS e
      FROM parsed
  )
  SELECT (e ->> 'at')::timestamptz::text, e #>> '{actor,id}', e ->> 'action', e ->> 'category', e ->> 'severity', e ->> 'outcome',
         e #>> '{resource,type}', e #>> '{resource,id}', host((e #>> '{request,clientIp}')::inet), e ->> 'correlationId',
         (ARRAY (SELECT jsonb_array_elements_text(e -> 'flags')))::text
    FROM readable`;

const PLAIN = /^(?!null$)[a-z][a-z0-9_]*$/;
const INSTANT = /^(\d{4}-\d\d-\d\d)T(\d\d:\d\d:\d\d)\.(\d{3})Z$/;

/** What a payload says of the columns beside it, without their content. */
export interface Commitment {
  digest: string;
  /** Of the keys that its personal members are encrypted with. */
  kids: string[];
}

/** Undefined for an event that has nothing encrypted. */
export function commitmentIn(payload: string): Commitment | undefined {
  if (!payload.includes('"columns":')) return undefined;
  try {
    return commitmentOf(JSON.parse(payload) as Json);
  } catch {
    return undefined;
  }
}

function commitmentOf(event: Json): Commitment | undefined {
  if (!isJsonObject(event) || typeof event.columns !== 'string' || !Array.isArray(event.personal)) return undefined;
  return {
    digest: event.columns,
    kids: event.personal.flatMap((part) => (isJsonObject(part) && typeof part.key === 'string' ? [part.key] : [])),
  };
}

/** The same for events in the form this program writes them, without asking the server; undefined for all others, and for broken ones. */
export function expectedColumns(
  payload: string,
): { id: Json | undefined; columns: (string | null)[]; commitment: Commitment | undefined } | undefined {
  let event: Json;
  try {
    event = JSON.parse(payload) as Json;
  } catch {
    return undefined;
  }
  if (!isJsonObject(event) || !Array.isArray(event.flags)) return undefined;
  const flags = event.flags.filter((flag): flag is string => typeof flag === 'string' && PLAIN.test(flag));
  // Others are written with quotes.
  if (flags.length < event.flags.length) return undefined;
  const [, day, time, ms = ''] = INSTANT.exec(typeof event.at === 'string' ? event.at : '') ?? [];
  if (day === undefined || time === undefined) return undefined;
  const fraction = ms.replace(/0+$/, '');
  const actor = isJsonObject(event.actor) ? event.actor : {};
  const resource = isJsonObject(event.resource) ? event.resource : {};
  const request = isJsonObject(event.request) ? event.request : {};
  const ip = request.clientIp;
  // Other forms of the same address are for the server to compare.
  if (ip !== undefined && (typeof ip !== 'string' || !(isIPv4(ip) || (isIPv6(ip) && !/[%.A-F]/.test(ip))))) return undefined;
  const texts = [
    actor.id,
    event.action,
    event.category,
    event.severity,
    event.outcome,
    resource.type,
    resource.id,
    ip,
    event.correlationId,
  ];
  if (!texts.every((text) => text === undefined || typeof text === 'string')) return undefined;
  if ([1, 2, 3, 4].some((required) => texts[required] === undefined)) return undefined;
  const at = `${day} ${time}${fraction === '' ? '' : `.${fraction}`}+00`;
  return {
    id: event.id,
    columns: [at, ...texts.map((text) => text ?? null), `{${flags.join(',')}}`],
    commitment: commitmentOf(event),
  };
}

export const CHECKPOINTED = 'audit.checkpointed';

/** What an audit.checkpointed event says of the logs. */
export function headsIn(payload: string): Heads | undefined {
  const event = JSON.parse(payload) as { detail?: { heads?: Heads } };
  return event.detail?.heads;
}
