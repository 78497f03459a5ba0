import { type INestApplicationContext } from '@nestjs/common';
import { AppError } from '../kernel/app-error.js';
import { MonthReader } from '../audit/archive/month-reader.js';
import { Rehydrations } from '../audit/restored/rehydrations.service.js';
import { REHYDRATED_DAYS } from '../audit/restored/rehydration.dto.js';
import { Rehydrator } from '../audit/restored/rehydrator.js';
import { withApplication } from './application.js';
import { CommandError, say, UsageError } from './command.js';

const MOST_DAYS = 90;

interface Wanted {
  log: string;
  /** Such as 2026-01. */
  period: string;
}

/** `cadastre audit rehydrate`: reads an archived month back, here and now, or every one that may have something that an actor did. */
export async function rehydrateCommand({
  class: log,
  period,
  actor,
  days: text,
}: Partial<Record<'class' | 'period' | 'actor' | 'days', string | undefined>>): Promise<number> {
  const days = text === undefined ? REHYDRATED_DAYS : Number(text);
  if (!Number.isInteger(days) || days < 1 || days > MOST_DAYS) throw new UsageError(`--days must be from 1 to ${MOST_DAYS}.`);
  if (actor !== undefined) {
    if (log !== undefined || period !== undefined) throw new UsageError('Say --actor ID, or --class NAME --period 2026-01.');
    return ofActor(actor, days);
  }
  if (log === undefined || period === undefined || !/^\d{4}-\d\d$/.test(period))
    throw new UsageError('Which month? Say --class NAME --period 2026-01, or --actor ID for all that may have something of one account.');
  await withApplication('audit rehydrate', async (app) => {
    try {
      await readBack(app, { log, period }, days);
    } catch (error) {
      throw error instanceof AppError ? new CommandError(error.message) : error;
    }
  });
  return 0;
}

/** One that cannot be read back keeps none of the others from it. */
async function ofActor(actor: string, days: number): Promise<number> {
  const failed: string[] = [];
  await withApplication('audit rehydrate', async (app) => {
    const reader = app.get(MonthReader);
    const [all, wanted] = [await reader.archived(), await reader.mayHaveOf(actor)];
    say(`${wanted.length} of ${all.length} archived months may have events of ${actor}.`);
    for (const { log, period } of wanted)
      try {
        await readBack(app, { log, period: period.slice(0, 7) }, days);
      } catch (error) {
        if (!(error instanceof AppError || error instanceof CommandError)) throw error;
        failed.push(`${log} ${period.slice(0, 7)}`);
        say(error.message);
      }
  });
  if (failed.length > 0) throw new CommandError(`These could not be read back: ${failed.join(', ')}.`);
  return 0;
}

async function readBack(app: INestApplicationContext, { log, period }: Wanted, days: number): Promise<void> {
  const began = performance.now();
  const asked = await app.get(Rehydrations).ask(log, period, days);
  const back = await app.get(Rehydrator).loadOrWait(log, asked.period);
  if (!back) throw new CommandError(`Somebody took ${log} ${period} away again meanwhile.`);
  const took = ((performance.now() - began) / 1000).toFixed(1);
  say(
    `${log} ${period} is back with ${back.rows ?? 0} events, every one of them proven, in ${took} s; until ${back.expiresAt.toISOString()}.`,
  );
}
