import { type UnitOfWork } from '../../platform/database/unit-of-work.js';

/**
 * One statement, its joins hashed: there are no statistics on networks made shorter, so the planner takes such a join for a single row and
 * would loop over all pools for each of a hundred thousand.
 */
export async function withoutLoops(work: UnitOfWork, sql: string, parameters: readonly unknown[] = []): Promise<void> {
  await work.query('SET LOCAL enable_nestloop = off');
  await work.query(sql, parameters);
  await work.query('SET LOCAL enable_nestloop = on');
}
