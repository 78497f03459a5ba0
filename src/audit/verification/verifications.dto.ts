import { ApiProperty } from '@nestjs/swagger';
import { IsIn, IsOptional } from 'class-validator';
import { IsInstant } from '../../platform/http/instant.js';
import { CursorPage } from '../../platform/http/paging.dto.js';
import { type AuditClass, auditClasses } from '../trail/audit-event.js';
import { type Finding, type Verdict, verdicts } from './finding.js';
import { type LogReport } from './log-verifier.js';
import { type Verification, verificationStates } from './verification.js';
import { type VerificationReport } from './verifier.js';

const logNames = Object.keys(auditClasses) as AuditClass[];

export class RequestVerification {
  /** One log; all of them when absent. */
  @IsOptional()
  @IsIn(logNames)
  class?: AuditClass;

  /** Read only what was sealed from then on (RFC 3339 with a zone); the rest is taken from its tiles. */
  @IsOptional()
  @IsInstant()
  from?: Date;

  /** Read only what was sealed before then. */
  @IsOptional()
  @IsInstant()
  to?: Date;
}

export class VerificationFilter extends CursorPage {}

export class FindingView {
  @ApiProperty({ enum: ['tampered', 'incomplete'] })
  verdict!: Finding['verdict'];
  log!: string;
  /** The first event it concerns. */
  seq?: number;
  id?: string;
  /** What kind of thing is wrong; docs/audit.md lists them. */
  code!: string;
  detail!: string;
}

export class VerifiedLogView {
  log!: string;
  size!: number;
  /** Events that no checkpoint covers yet. */
  unsealed!: number;
  checkpoints!: number;
  /** Rows that were read, and the bytes of their payloads. */
  events!: number;
  bytes!: number;
}

export class VerificationView {
  id!: string;
  @ApiProperty({ enum: verificationStates })
  state!: Verification['state'];
  requestedBy!: string;
  /** The gravest of the findings, when it is done. */
  @ApiProperty({ enum: verdicts, nullable: true })
  result!: Verdict | null;
  /** Why it failed: it was given up without a result. */
  reason!: string | null;
  createdAt!: string;
  finishedAt!: string | null;
  logs!: VerifiedLogView[];
  /** Anchored checkpoints that were compared. */
  anchors!: number;
  /** The first is the first bad record; at most 100. */
  findings!: FindingView[];
  findingCount!: number;

  static of(v: Verification): VerificationView {
    // Written by the service from a report, or not yet.
    const report = v.report as VerificationReport | null;
    return {
      id: v.id,
      state: v.state,
      requestedBy: v.requestedBy,
      result: v.result,
      reason: v.reason,
      createdAt: v.createdAt.toISOString(),
      finishedAt: v.finishedAt?.toISOString() ?? null,
      logs: report?.logs.map((log: LogReport) => ({ ...log })) ?? [],
      anchors: report?.anchors ?? 0,
      findings: report?.findings.map((finding) => ({ ...finding })) ?? [],
      findingCount: report?.findingCount ?? 0,
    };
  }
}

export class VerificationPage {
  items!: VerificationView[];
  /** Where the next page begins; null on the last one. */
  next!: string | null;
}
