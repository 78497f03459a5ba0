import { AppError } from '../kernel/app-error.js';
import { Rehydrations } from '../audit/restored/rehydrations.service.js';
import { REHYDRATED_DAYS } from '../audit/restored/rehydration.dto.js';
import { Rehydrator } from '../audit/restored/rehydrator.js';
import { withApplication } from './application.js';
import { CommandError, say, UsageError } from './command.js';

const MOST_DAYS = 90;

/** `cadastre audit rehydrate`: reads an archived month back, here and now. */
export async function rehydrateCommand({
  class: log,
  period,
  days: text,
}: Record<'class' | 'period' | 'days', string | undefined>): Promise<number> {
  if (log === undefined || period === undefined || !/^\d{4}-\d\d$/.test(period))
    throw new UsageError('Which month? Say --class NAME --period 2026-01.');
  const days = text === undefined ? REHYDRATED_DAYS : Number(text);
  if (!Number.isInteger(days) || days < 1 || days > MOST_DAYS) throw new UsageError(`--days must be from 1 to ${MOST_DAYS}.`);
  const began = performance.now();
  const back = await withApplication('audit rehydrate', async (app) => {
    try {
      const asked = await app.get(Rehydrations).ask(log, period, days);
      return await app.get(Rehydrator).loadOrWait(log, asked.period);
    } catch (error) {
      throw error instanceof AppError ? new CommandError(error.message) : error;
    }
  });
  if (!back) throw new CommandError(`Somebody took ${log} ${period} away again meanwhile.`);
  const took = ((performance.now() - began) / 1000).toFixed(1);
  say(
    `${log} ${period} is back with ${back.rows ?? 0} events, every one of them proven, in ${took} s; until ${back.expiresAt.toISOString()}.`,
  );
  return 0;
}
