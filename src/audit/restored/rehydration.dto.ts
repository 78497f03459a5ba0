import { ApiProperty } from '@nestjs/swagger';
import { IsInt, IsOptional, Max, Min } from 'class-validator';
import { type ArchiveState, archiveStates } from '../archive/archive-steps.js';
import { type PeriodPlace, periodPlaces, type PeriodStanding } from './period-list.js';
import { type Rehydration, rehydrationStates } from './rehydrations.repository.js';

export const REHYDRATED_DAYS = 7;

export class Rehydrate {
  /** For how many days from now; a month that is back for longer already stays so. */
  @IsOptional()
  @IsInt()
  @Min(1)
  @Max(90)
  days: number = REHYDRATED_DAYS;
}

export class RehydrationView {
  log!: string;
  /** Its first day. */
  period!: string;
  @ApiProperty({ enum: rehydrationStates })
  state!: Rehydration['state'];
  @ApiProperty({ format: 'date-time' })
  expiresAt!: string;
  /** When it is ready. */
  @ApiProperty({ type: Number, nullable: true })
  rows!: number | null;
  /** Why it could not be read back. */
  @ApiProperty({ type: String, nullable: true })
  error!: string | null;
  requestedBy!: string;

  static of(rehydration: Rehydration): RehydrationView {
    return { ...rehydration, expiresAt: rehydration.expiresAt.toISOString() };
  }
}

export class PeriodView {
  log!: string;
  /** Its first day. */
  period!: string;
  @ApiProperty({ enum: archiveStates })
  state!: ArchiveState;
  /** Where its events are; in `trash` they can still be put back. */
  @ApiProperty({ enum: periodPlaces })
  place!: PeriodPlace;
  /** Its copy, when somebody wanted it back. */
  @ApiProperty({ type: RehydrationView, nullable: true })
  rehydration!: RehydrationView | null;
  rows!: number;
  /** Of the payloads. */
  bytes!: number;
  @ApiProperty({ type: String, nullable: true })
  object!: string | null;
  @ApiProperty({ type: Number, nullable: true })
  objectBytes!: number | null;
  /** When its archive was last read. */
  @ApiProperty({ type: String, format: 'date-time', nullable: true })
  checkedAt!: string | null;
  /** What was wrong with its archive then. */
  @ApiProperty({ type: String, nullable: true })
  broken!: string | null;
  holds!: string[];

  static of({ month, place, rehydration, holds }: PeriodStanding): PeriodView {
    const { log, period, state, rows, bytes, objectKey, objectBytes, checkedAt, broken } = month;
    return {
      ...{ log, period, state, place, rows, bytes, objectBytes, broken, holds },
      object: objectKey,
      checkedAt: checkedAt?.toISOString() ?? null,
      rehydration: rehydration && RehydrationView.of(rehydration),
    };
  }
}

export class PeriodViewList {
  items!: PeriodView[];
}
