import { Transform } from 'class-transformer';
import { IsInt, IsOptional, IsString, Max, MaxLength, Min } from 'class-validator';

/** A query parameter that must be a whole number; anything else is left for @IsInt to refuse. */
export const ToInt = (): PropertyDecorator =>
  Transform(({ value }: { value: unknown }) => (typeof value === 'string' && /^-?\d{1,15}$/.test(value) ? Number(value) : value));

export const ToBoolean = (): PropertyDecorator =>
  Transform(({ value }: { value: unknown }) => (value === 'true' ? true : value === 'false' ? false : value));

/** Pages a person turns. */
export class OffsetPage {
  /** Rows at most. */
  @IsOptional()
  @ToInt()
  @IsInt()
  @Min(1)
  @Max(1000)
  limit = 50;

  /** Rows to skip. */
  @IsOptional()
  @ToInt()
  @IsInt()
  @Min(0)
  @Max(10_000_000)
  offset = 0;
}

/** Pages of what grows: they stay put when rows are added. */
export class CursorPage {
  /** Rows at most. */
  @IsOptional()
  @ToInt()
  @IsInt()
  @Min(1)
  @Max(1000)
  limit = 50;

  /** What `next` of the page before said. */
  @IsOptional()
  @IsString()
  @MaxLength(500)
  after?: string;
}
