import { ApiProperty, ApiPropertyOptional, type ApiPropertyOptions } from '@nestjs/swagger';
import { Transform } from 'class-transformer';
import { IsBoolean, IsDate, IsIn, IsOptional, IsString, MaxLength, ValidateBy } from 'class-validator';
import { type Json } from '../../kernel/canonical-json.js';
import { parseIp, parseNetwork } from '../../kernel/ip-address.js';
import { CursorPage, ToBoolean } from '../../platform/http/paging.dto.js';
import {
  auditCategories,
  type AuditCategory,
  type AuditOutcome,
  auditOutcomes,
  auditSeverities,
  type AuditSeverity,
} from '../trail/audit-event.js';
import { type StoredEvent } from './stored-event.js';

const RFC3339 = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d{1,9})?(Z|[+-]\d{2}:\d{2})$/;

/** An instant with its zone; anything else is left for @IsDate to refuse. */
export const ToInstant = (): PropertyDecorator =>
  Transform(({ value }: { value: unknown }) => (typeof value === 'string' && RFC3339.test(value) ? new Date(value) : value));

const IsAddressOrNetwork = (): PropertyDecorator =>
  ValidateBy({
    name: 'isAddressOrNetwork',
    validator: {
      validate: (value) => typeof value === 'string' && !value.includes('%') && (parseNetwork(value) ?? parseIp(value)) !== undefined,
      defaultMessage: () => 'must be an address or a network in CIDR form without host bits',
    },
  });

/** What one may ask of one's own events. */
export class OwnAuditFilter extends CursorPage {
  /**
   * What was done: the name of an action, a pattern such as `pool.*`, or a word of older systems such as `CREATE`.
   * @example 'pool.created'
   */
  @IsOptional()
  @IsString()
  @MaxLength(100)
  action?: string;

  @IsOptional()
  @IsIn(auditCategories)
  category?: AuditCategory;

  @IsOptional()
  @IsIn(auditSeverities)
  severity?: AuditSeverity;

  @IsOptional()
  @IsIn(auditOutcomes)
  outcome?: AuditOutcome;

  /**
   * The kind of thing it was done to.
   * @example 'pool'
   */
  @IsOptional()
  @IsString()
  @MaxLength(100)
  resourceType?: string;

  /** The id of the thing it was done to. */
  @IsOptional()
  @IsString()
  @MaxLength(300)
  resourceId?: string;

  /** The request it was part of, as in the X-Request-Id header. */
  @IsOptional()
  @IsString()
  @MaxLength(100)
  correlationId?: string;

  /**
   * Where it came from: an address, or a network in CIDR form.
   * @example '10.0.0.0/8'
   */
  @IsOptional()
  @IsAddressOrNetwork()
  clientAddress?: string;

  /** A compliance flag that it has. */
  @IsOptional()
  @IsString()
  @MaxLength(100)
  flag?: string;

  /** Words that it has in its action, detail, or the name or id of its resource or actor; all of them, in any order. `web*` stands for all that begin so. */
  @IsOptional()
  @IsString()
  @MaxLength(300)
  text?: string;

  /** Not before this instant (RFC 3339 with a zone). */
  @IsOptional()
  @ToInstant()
  @IsDate({ message: 'must be an instant such as 2026-01-31T12:00:00Z' })
  from?: Date;

  /** Before this instant (RFC 3339 with a zone). */
  @IsOptional()
  @ToInstant()
  @IsDate({ message: 'must be an instant such as 2026-01-31T12:00:00Z' })
  to?: Date;
}

export class AuditFilter extends OwnAuditFilter {
  /** The id of who did it. */
  @IsOptional()
  @IsString()
  @MaxLength(300)
  actor?: string;

  /** The name of who did it, as it was then; capitals do not count. */
  @IsOptional()
  @IsString()
  @MaxLength(190)
  actorName?: string;
}

/** Of the whole trail. */
export class SearchFilter extends AuditFilter {
  /** Goes on in archived months where the database ends, which takes longer. A page may then hold fewer than `limit` and still have a next one. */
  @IsOptional()
  @ToBoolean()
  @IsBoolean()
  archived?: boolean;
}

/** One thing's life. */
export class TimelineFilter extends CursorPage {
  /**
   * The kind of thing.
   * @example 'pool'
   */
  @IsString()
  @MaxLength(100)
  resourceType!: string;

  /** Its id. */
  @IsString()
  @MaxLength(300)
  resourceId!: string;

  /** From its beginning, or from now backwards. */
  @IsOptional()
  @IsIn(['oldest', 'newest'])
  @ApiPropertyOptional({ enum: ['oldest', 'newest'], default: 'oldest' })
  order: 'oldest' | 'newest' = 'oldest';
}

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

  static of({ items, next }: { items: StoredEvent[]; next: string | null }): AuditEventPage {
    return { items: items.map((event) => AuditEventView.of(event)), next };
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
