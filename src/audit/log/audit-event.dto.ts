import { ApiProperty, type ApiPropertyOptions } from '@nestjs/swagger';
import { type Json } from '../../kernel/canonical-json.js';
import { type AuditCategory, type AuditOutcome, type AuditSeverity } from '../trail/audit-event.js';
import { type StoredEvent } from './stored-event.js';

export class AuditActorView {
  kind!: string;
  id!: string;
  /** As it was then. */
  name!: string;
  sessionId?: string;
  /** The account a key acted for. */
  ownerId?: string;
  /** The token that a tenant key derived, when it was one that came. */
  tokenId?: string;
}

export class AuditResourceView {
  type!: string;
  id!: string;
  name?: string;
}

export class AuditDeviceView {
  @ApiProperty({ enum: ['browser', 'bot', 'script'], nullable: true })
  kind!: 'browser' | 'bot' | 'script' | null;
  /** The family of the browser or tool; null when it is not known. */
  @ApiProperty({ type: String, nullable: true })
  client!: string | null;
  @ApiProperty({ type: String, nullable: true })
  os!: string | null;
}

export class AuditProcessingView {
  /** Since the request came. */
  ms!: number;
  /** Statements to the database so far. */
  queries!: number;
  /** Memory of the process, in MiB. */
  rssMiB!: number;
}

export class AuditLateView {
  /** When it was put aside because the database was away. */
  spooledAt!: string;
}

export class AuditRequestView {
  clientIp?: string;
  peerIp?: string;
  userAgent?: string;
  method?: string;
  route?: string;
  /** X-Forwarded-For as it came, cut at 256 characters; `clientIp` is what was believed of it. */
  forwardedFor?: string;
  /** The country of `clientIp` (ISO 3166-1 alpha-2), as the file of addresses had it then; absent when it is not known. */
  country?: string;
  /** What the user agent says it is; never proof. */
  device?: AuditDeviceView;
}

const anyValue: ApiPropertyOptions = {
  nullable: true,
  oneOf: [{ type: 'string' }, { type: 'number' }, { type: 'boolean' }, { type: 'object' }, { type: 'array', items: {} }],
};

export class AuditChangeView {
  field!: string;
  @ApiProperty(anyValue)
  before!: Json;
  @ApiProperty(anyValue)
  after!: Json;
}

export class AuditTruncationView {
  /** The size of the whole event. */
  bytes!: number;
  /** The digest of its canonical form. */
  sha256!: string;
}

export class AuditEventView {
  id!: string;
  /** When it happened. */
  at!: string;
  actor!: AuditActorView;
  action!: string;
  category!: AuditCategory;
  severity!: AuditSeverity;
  outcome!: AuditOutcome;
  flags!: string[];
  resource?: AuditResourceView;
  request?: AuditRequestView;
  /** How far the request had come. */
  processing?: AuditProcessingView;
  /** It reached the database later than it happened. */
  late?: AuditLateView;
  correlationId?: string;
  /** Fields that differ, when something was changed. */
  changes?: AuditChangeView[];
  /** The whole, when it was removed. */
  before?: Json;
  /** The whole, when it was created. */
  after?: Json;
  /** Figures and reasons that belong to the act. */
  detail?: Json;
  /** The event was too large for the log; its head is here. */
  truncated?: AuditTruncationView;
  /** What it said of somebody was erased: their key was destroyed. Absent otherwise. */
  erased?: true;
  /** What it says of somebody is encrypted under a key that this server does not have. Absent otherwise. */
  keyMissing?: true;
  /** Whether it has its place in the log already; events of the last moments have not. */
  filed!: boolean;
  /** Its place in the log of its category, counted from 0. */
  seq!: string | null;
  /** It was read from an archive, and has the hash that the log sealed in its place. Absent otherwise. */
  archived?: true;
  /** Not to be believed: as it was sealed its payload did not have its writer’s hash (`leaf`), or no writer of ours had written it (`writer`). */
  @ApiProperty({ enum: ['leaf', 'writer'], nullable: true })
  quarantined!: 'leaf' | 'writer' | null;

  /** What of a stored event is for its readers; the rest is for those who verify it. */
  static of(stored: StoredEvent): AuditEventView {
    const e = readable(stored);
    const { filed, seq, quarantined } = stored;
    return {
      id: stored.id,
      at: e.at,
      actor: e.actor,
      action: e.action,
      category: e.category,
      severity: e.severity,
      outcome: e.outcome,
      flags: e.flags,
      resource: e.resource,
      request: e.request,
      processing: e.processing,
      late: e.late,
      correlationId: e.correlationId,
      changes: e.changes,
      before: e.before,
      after: e.after,
      detail: e.detail,
      truncated: e.truncated,
      ...(stored.opened?.erased === true ? { erased: true } : {}),
      ...(stored.opened?.keyMissing === true ? { keyMissing: true } : {}),
      filed,
      seq,
      ...(stored.archived ? { archived: true } : {}),
      quarantined,
    };
  }
}

export class AuditEventPage {
  items!: AuditEventView[];
  /** Where the next page begins; null on the last one. */
  next!: string | null;
  /** Archived months that may have more of it and were not looked into; 0 when there are none, and when they were asked for. */
  archivedMonths!: number;

  static of({ items, next, archivedMonths }: { items: StoredEvent[]; next: string | null; archivedMonths: number }): AuditEventPage {
    return { items: items.map((event) => AuditEventView.of(event)), next, archivedMonths };
  }
}

/** The event as this program wrote it; what somebody else put in its place is shown as what it is, like audit_readable() does. */
function readable({ id, payload, recordedAt, opened }: StoredEvent): Omit<AuditEventView, 'filed' | 'seq' | 'quarantined'> {
  try {
    // Of these names and types, when it has an action: AuditTrail made it.
    const event = (opened?.event ?? JSON.parse(payload)) as AuditEventView | null;
    if (event?.action !== undefined) return event;
  } catch {
    // Not JSON: answered below.
  }
  return {
    id,
    at: recordedAt.toISOString(),
    actor: { kind: 'unknown', id: 'unknown', name: 'unknown' },
    action: 'audit.unreadable',
    category: 'meta',
    severity: 'critical',
    outcome: 'failure',
    flags: [],
    detail: { payload },
  };
}
