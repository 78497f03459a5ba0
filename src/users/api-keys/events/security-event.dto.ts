import { ApiProperty } from '@nestjs/swagger';
import { IsIn, IsOptional, IsString, IsUUID, MaxLength, ValidateIf } from 'class-validator';
import { auditSeverities, type AuditSeverity } from '../../../audit/trail/audit-event.js';
import { CursorPage } from '../../../platform/http/paging.dto.js';
import { alarmRuleNames, type AlarmRule } from './alarm-rules.js';

export const eventStates = ['open', 'acknowledged', 'resolved'] as const;
export type EventState = (typeof eventStates)[number];

export class SecurityEventFilter extends CursorPage {
  @IsOptional()
  @IsIn(eventStates)
  state?: EventState;

  @IsOptional()
  @IsIn(alarmRuleNames)
  @ApiProperty({ enum: alarmRuleNames })
  rule?: AlarmRule;

  @IsOptional()
  @IsIn(auditSeverities)
  severity?: AuditSeverity;

  @IsOptional()
  @IsUUID()
  keyId?: string;
}

/** Absent fields stay as they are. */
export class PatchSecurityEvent {
  /** Acknowledged before resolved; there is no way back. */
  @ValidateIf((o: PatchSecurityEvent) => o.state !== undefined)
  @IsIn(['acknowledged', 'resolved'])
  state?: 'acknowledged' | 'resolved';

  @ValidateIf((o: PatchSecurityEvent) => o.note !== undefined)
  @IsString()
  @MaxLength(2000)
  note?: string;
}

export class SecurityEventView {
  id!: string;
  @ApiProperty({ enum: alarmRuleNames })
  rule!: AlarmRule;
  severity!: AuditSeverity;
  /** Null when it is about no key there is. */
  keyId!: string | null;
  keyName!: string | null;
  /** Of everything that was noticed since then and belongs to the rule, this is the one event. */
  windowStart!: string;
  raisedAt!: string;
  /** What was noticed. */
  @ApiProperty({ type: 'object', additionalProperties: true })
  detail!: Record<string, unknown>;
  state!: EventState;
  note!: string;
  acknowledgedAt!: string | null;
  acknowledgedBy!: string | null;
  resolvedAt!: string | null;
  resolvedBy!: string | null;
  version!: number;
}

export class SecurityEventPage {
  items!: SecurityEventView[];
  /** Null on the last page. */
  next!: string | null;
}
