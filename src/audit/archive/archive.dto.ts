import { ApiProperty } from '@nestjs/swagger';
import { Matches } from 'class-validator';
import { CursorPage } from '../../platform/http/paging.dto.js';
import { type ArchiveRun, archiveRunStates } from './archive-runs.repository.js';
import { type ArchiveAction, archiveActions, type ArchiveState, archiveStates } from './archive-steps.js';

export class RequestArchiveRun {
  /** Of the plan that you looked at. */
  @Matches(/^[0-9a-f]{64}$/, { message: 'must be the hash of a plan' })
  planHash!: string;
}

export class ArchiveRunFilter extends CursorPage {}

export class PlannedMonthView {
  log!: string;
  /** Its first day. */
  period!: string;
  firstSeq!: number;
  lastSeq!: number;
  rows!: number;
  /** Of the payloads. */
  bytes!: number;
  @ApiProperty({ enum: archiveStates })
  state!: ArchiveState;
  /** What a run would do with it now. */
  @ApiProperty({ enum: archiveActions })
  action!: ArchiveAction;
  /** Why nothing is done, or what the last attempt failed with. */
  @ApiProperty({ type: String, nullable: true })
  reason!: string | null;
  /** The object that is made or removed. */
  @ApiProperty({ type: String, nullable: true })
  object!: string | null;
  policies!: string[];
  holds!: string[];
  /** When its next step may be taken; null: never. */
  @ApiProperty({ type: String, format: 'date-time', nullable: true })
  dueAt!: string | null;
}

export class ArchivePlanView {
  /** Of what would be done: hand it in to have exactly that done. */
  hash!: string;
  months!: PlannedMonthView[];
}

export class RunStepView {
  log!: string;
  period!: string;
  @ApiProperty({ enum: archiveStates })
  from!: string;
  @ApiProperty({ enum: archiveStates })
  to!: string;
  error?: string;
}

export class LogSizeView {
  log!: string;
  /** In the database. */
  rows!: number;
  months!: number;
  /** With indexes. */
  bytes!: number;
  archivedRows!: number;
  archivedMonths!: number;
  archiveBytes!: number;
}

export class ArchiveRunView {
  @ApiProperty({ format: 'uuid' })
  id!: string;
  @ApiProperty({ enum: archiveRunStates })
  state!: ArchiveRun['state'];
  requestedBy!: string;
  @ApiProperty({ type: String, nullable: true })
  planHash!: string | null;
  steps!: RunStepView[];
  /** How much is where, after it. */
  sizes!: LogSizeView[];
  @ApiProperty({ type: String, nullable: true })
  error!: string | null;
  @ApiProperty({ format: 'date-time' })
  createdAt!: string;
  @ApiProperty({ type: String, format: 'date-time', nullable: true })
  finishedAt!: string | null;

  static of(run: ArchiveRun): ArchiveRunView {
    return { ...run, createdAt: run.createdAt.toISOString(), finishedAt: run.finishedAt?.toISOString() ?? null };
  }
}

export class ArchiveRunPage {
  items!: ArchiveRunView[];
  @ApiProperty({ type: String, nullable: true })
  next!: string | null;
}
