import { ApiPropertyOptional } from '@nestjs/swagger';
import { IsBoolean, IsIn, IsOptional, IsString, MaxLength, ValidateBy } from 'class-validator';
import { parseIp, parseNetwork } from '../../kernel/ip-address.js';
import { IsInstant } from '../../platform/http/instant.js';
import { CursorPage, ToBoolean } from '../../platform/http/paging.dto.js';
import {
  auditCategories,
  type AuditCategory,
  type AuditOutcome,
  auditOutcomes,
  auditSeverities,
  type AuditSeverity,
} from '../trail/audit-event.js';

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
  @IsInstant()
  from?: Date;

  /** Before this instant (RFC 3339 with a zone). */
  @IsOptional()
  @IsInstant()
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

export class EventQuery {
  /** Looks for it in archives as well, which takes longer. */
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

  /** With what archived months have of it, which takes longer. A page may then hold fewer than `limit` and still have a next one. */
  @IsOptional()
  @ToBoolean()
  @IsBoolean()
  archived?: boolean;
}
