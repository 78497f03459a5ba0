import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { IsBoolean, IsIn, IsInt, IsOptional, IsString, Max, MaxLength, Min, ValidateIf } from 'class-validator';
import { IsInstant } from '../../platform/http/instant.js';
import { CursorPage } from '../../platform/http/paging.dto.js';
import { auditSeverities, type AuditSeverity } from '../trail/audit-event.js';
import { type AlertState, alertStates } from './alert-steps.js';
import { type DetectionRuleName, detectionRuleNames, subjectKinds } from './detection-rules.js';

export class AuditAlertFilter extends CursorPage {
  @IsOptional()
  @IsIn(alertStates)
  @ApiPropertyOptional({ enum: alertStates })
  state?: AlertState;

  @IsOptional()
  @IsIn(detectionRuleNames)
  @ApiPropertyOptional({ enum: detectionRuleNames })
  rule?: DetectionRuleName;

  @IsOptional()
  @IsIn(auditSeverities)
  severity?: AuditSeverity;

  /** Whom or what it is about: an id, an address, or the digest of a name. */
  @IsOptional()
  @IsString()
  @MaxLength(300)
  subject?: string;
}

/** Absent fields stay as they are. */
export class PatchAuditAlert {
  /** Acknowledged first, then resolved or suppressed; there is no way back. */
  @ValidateIf((o: PatchAuditAlert) => o.state !== undefined)
  @IsIn(['acknowledged', 'resolved', 'suppressed'])
  state?: 'acknowledged' | 'resolved' | 'suppressed';

  @ValidateIf((o: PatchAuditAlert) => o.note !== undefined)
  @IsString()
  @MaxLength(2000)
  note?: string;

  /** With `suppressed`: until when (RFC 3339 with a zone) the rule raises nothing about the subject; within 90 days, a week when absent. */
  @ValidateIf((o: PatchAuditAlert) => o.until !== undefined)
  @IsInstant()
  until?: Date;
}

export class AuditAlertView {
  id!: string;
  @ApiProperty({ enum: detectionRuleNames })
  rule!: DetectionRuleName;
  subject!: string;
  severity!: AuditSeverity;
  /** How many events there were when it was raised, and of when. */
  events!: number;
  firstAt!: string;
  lastAt!: string;
  raisedAt!: string;
  /** Until then the rule raises nothing else about the subject. */
  quietUntil!: string;
  @ApiProperty({ enum: alertStates })
  state!: AlertState;
  note!: string;
  acknowledgedAt!: string | null;
  acknowledgedBy!: string | null;
  /** When it was resolved or suppressed. */
  closedAt!: string | null;
  closedBy!: string | null;
  version!: number;
}

export class AuditAlertPage {
  items!: AuditAlertView[];
  /** Where the next page begins; null on the last one. */
  next!: string | null;
}

/** Absent fields stay as they are. */
export class PatchDetectionRule {
  @ValidateIf((o: PatchDetectionRule) => o.enabled !== undefined)
  @IsBoolean()
  enabled?: boolean;

  /** Events of one subject within the window. */
  @ValidateIf((o: PatchDetectionRule) => o.threshold !== undefined)
  @IsInt()
  @Min(1)
  @Max(1_000_000)
  threshold?: number;

  @ValidateIf((o: PatchDetectionRule) => o.windowSeconds !== undefined)
  @IsInt()
  @Min(60)
  @Max(86_400)
  windowSeconds?: number;

  /** At least the window: otherwise the same events would raise a second alert. */
  @ValidateIf((o: PatchDetectionRule) => o.cooldownSeconds !== undefined)
  @IsInt()
  @Min(60)
  @Max(2_592_000)
  cooldownSeconds?: number;

  @ValidateIf((o: PatchDetectionRule) => o.severity !== undefined)
  @IsIn(auditSeverities)
  severity?: AuditSeverity;
}

export class DetectionRuleView {
  id!: string;
  @ApiProperty({ enum: detectionRuleNames })
  name!: DetectionRuleName;
  text!: string;
  /** The actions that count, `*` standing for anything. */
  actions!: string[];
  /** What is counted together. */
  @ApiProperty({ enum: subjectKinds })
  subject!: string;
  enabled!: boolean;
  threshold!: number;
  windowSeconds!: number;
  cooldownSeconds!: number;
  severity!: AuditSeverity;
  version!: number;
}

export class DetectionRulesView {
  items!: DetectionRuleView[];
}
