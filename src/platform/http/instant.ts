import { applyDecorators } from '@nestjs/common';
import { Transform } from 'class-transformer';
import { IsDate } from 'class-validator';

const RFC3339 = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d{1,9})?(Z|[+-]\d{2}:\d{2})$/;

/** An instant with its zone (RFC 3339), as a Date. */
export const IsInstant = (): PropertyDecorator =>
  applyDecorators(
    // Anything else is left for the next one to refuse.
    Transform(({ value }: { value: unknown }) => (typeof value === 'string' && isInstant(value) ? new Date(value) : value)),
    IsDate({ message: 'must be an instant such as 2026-01-31T12:00:00Z' }),
  );

/** In the form of RFC 3339, on a day that there is: the engine takes the 30th of February for the 2nd of March. */
function isInstant(text: string): boolean {
  const day = text.slice(0, 10);
  return RFC3339.test(text) && new Date(`${day}T00:00:00Z`).getUTCDate() === Number(day.slice(8)) && !Number.isNaN(Date.parse(text));
}
