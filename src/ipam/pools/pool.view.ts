import { type PoolView } from './pool.dto.js';
import { type PoolRow } from './pools.repository.js';

export function poolView(row: PoolRow): PoolView {
  const { size, usable, free, allocated, reserved, blocked, quarantined, pools, utilization, ...pool } = row;
  const used = (BigInt(allocated) + BigInt(quarantined) + BigInt(pools)).toString();
  return {
    ...pool,
    createdAt: row.createdAt.toISOString(),
    updatedAt: row.updatedAt.toISOString(),
    usage: { size, usable, used, reserved, blocked, free, allocated, quarantined, pools, utilization },
  };
}
