import { applyDecorators } from '@nestjs/common';
import { ApiPropertyOptional } from '@nestjs/swagger';
import { Transform } from 'class-transformer';
import { IsInt, IsOptional, IsString, Max, MaxLength, Min } from 'class-validator';

/** A query parameter that must be a whole number; anything else is left for @IsInt to refuse. */
export const ToInt = (): PropertyDecorator =>
  Transform(({ value }: { value: unknown }) => (typeof value === 'string' && /^-?\d{1,15}$/.test(value) ? Number(value) : value));

export const ToBoolean = (): PropertyDecorator =>
  Transform(({ value }: { value: unknown }) => (value === 'true' ? true : value === 'false' ? false : value));

/** A whole number that may be absent; the field's initialiser says what it is then. */
export const WholeNumber = ({ min, max }: { min: number; max: number }): PropertyDecorator =>
  applyDecorators(
    IsOptional(),
    ToInt(),
    IsInt(),
    Min(min),
    Max(max),
    // A field with an initialiser has no declared type that reflection could see.
    ApiPropertyOptional({ type: 'integer', minimum: min, maximum: max }),
  );

/** Pages a person turns. */
export class OffsetPage {
  /** Rows at most. */
  @WholeNumber({ min: 1, max: 1000 })
  limit = 50;

  /** Rows to skip. */
  @WholeNumber({ min: 0, max: 10_000_000 })
  offset = 0;
}

/** Pages of what grows: they stay put when rows are added. */
export class CursorPage {
  /** Rows at most. */
  @WholeNumber({ min: 1, max: 1000 })
  limit = 50;

  /** What `next` of the page before said. */
  @IsOptional()
  @IsString()
  @MaxLength(500)
  after?: string;
}
