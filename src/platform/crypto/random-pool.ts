import { randomFillSync } from 'node:crypto';

const pool = Buffer.alloc(8192);
let at = pool.length;

/** Random bytes, few: asking the system for some costs as much as for thousands, so they are drawn in stock. None is given out twice or kept. */
export function fewRandomBytes(count: number): Buffer {
  if (count > pool.length) throw new RangeError(`${count} bytes are more than few`);
  if (at + count > pool.length) {
    randomFillSync(pool);
    at = 0;
  }
  const bytes = Buffer.from(pool.subarray(at, at + count));
  pool.fill(0, at, at + count);
  at += count;
  return bytes;
}
