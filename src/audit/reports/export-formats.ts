import { canonicalJson, toJson } from '../../kernel/canonical-json.js';
import { csvLine } from '../../kernel/csv-cell.js';
import { type AuditEventView } from '../log/audit-event.dto.js';
import { type ExportFormat } from './export.dto.js';
import { ocsfOf } from './ocsf.js';
import { type Sent } from './sealed-stream.js';

export interface Form {
  type: string;
  ending: string;
  head: string;
  line: (event: AuditEventView, isFirst: boolean) => string;
  last: (end: End) => string;
}

/** What the last line says. */
export type End = Pick<Sent, 'count' | 'digest'> & {
  /** Those that may have more of it and were left out. */
  archivedMonths: number;
};

/** The columns of the CSV; structured ones are JSON. */
export const csvColumns: Record<string, (event: AuditEventView) => string | null> = {
  at: (e) => e.at,
  id: (e) => e.id,
  actor_kind: (e) => e.actor.kind,
  actor_id: (e) => e.actor.id,
  actor_name: (e) => e.actor.name,
  action: (e) => e.action,
  category: (e) => e.category,
  severity: (e) => e.severity,
  outcome: (e) => e.outcome,
  resource_type: (e) => e.resource?.type ?? null,
  resource_id: (e) => e.resource?.id ?? null,
  resource_name: (e) => e.resource?.name ?? null,
  client_ip: (e) => e.request?.clientIp ?? null,
  user_agent: (e) => e.request?.userAgent ?? null,
  method: (e) => e.request?.method ?? null,
  route: (e) => e.request?.route ?? null,
  correlation_id: (e) => e.correlationId ?? null,
  flags: (e) => e.flags.join(' '),
  changes: (e) => jsonCell(e.changes),
  before: (e) => jsonCell(e.before),
  after: (e) => jsonCell(e.after),
  detail: (e) => jsonCell(e.detail),
  filed: (e) => String(e.filed),
  seq: (e) => e.seq,
};

/** In every form the last line carries the count, the digest of the bytes before it, and how many archived months were left out. */
export const forms: Record<ExportFormat, Form> = {
  ndjson: {
    type: 'application/x-ndjson; charset=utf-8',
    ending: 'ndjson',
    head: '',
    line: (event) => `${JSON.stringify(event)}\n`,
    last: closingLine,
  },
  ocsf: {
    type: 'application/x-ndjson; charset=utf-8',
    ending: 'ocsf.ndjson',
    head: '',
    line: (event) => `${JSON.stringify(ocsfOf(event))}\n`,
    last: closingLine,
  },
  json: {
    type: 'application/json; charset=utf-8',
    ending: 'json',
    head: '{"events":[\n',
    line: (event, isFirst) => `${isFirst ? '' : ',\n'}${JSON.stringify(event)}`,
    last: ({ count, digest, archivedMonths }) => `\n],"count":${count},"digest":"sha256:${digest}","archivedMonths":${archivedMonths}}\n`,
  },
  csv: {
    type: 'text/csv; charset=utf-8',
    ending: 'csv',
    head: csvLine(Object.keys(csvColumns)),
    line: (event) => csvLine(Object.values(csvColumns).map((cell) => cell(event))),
    last: ({ count, digest, archivedMonths }) =>
      csvLine([
        ...['#end', String(count), `sha256:${digest}`, `archivedMonths:${archivedMonths}`],
        ...Object.keys(csvColumns)
          .slice(4)
          .map(() => null),
      ]),
  },
};

export function closingLine({ count, digest, archivedMonths }: End): string {
  return `${JSON.stringify({ count, digest: `sha256:${digest}`, archivedMonths })}\n`;
}

function jsonCell(value: unknown): string | null {
  return value === undefined ? null : canonicalJson(toJson(value));
}
