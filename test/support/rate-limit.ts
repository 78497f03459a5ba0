import { type Response } from 'supertest';

/** How many of `calls` calls were served, in any order, ten at a time. */
export async function served(
  calls: number,
  call: (n: number) => Promise<{ status: number }>,
): Promise<{ served: number; refused: number }> {
  const statuses: number[] = [];
  let next = 0;
  const caller = async (): Promise<void> => {
    while (next < calls) statuses.push((await call(next++)).status);
  };
  await Promise.all(Array.from({ length: 10 }, caller));
  expect(statuses.filter((status) => status >= 500)).toEqual([]);
  const refused = statuses.filter((status) => status === 429).length;
  return { served: calls - refused, refused };
}

/** The fields of the draft, as numbers; throws when they are not of its form. */
export function limitOf({ headers }: Pick<Response, 'headers'>): {
  policy: string;
  quota: number;
  window: number;
  left: number;
  seconds: number;
} {
  const fields = headers as Record<string, string>;
  const [, policy = '', q, w] = /^"(\w+)";q=(\d+);w=(\d+)$/.exec(fields['ratelimit-policy'] ?? '') ?? [];
  const [, same, r, t] = /^"(\w+)";r=(\d+);t=(\d+)$/.exec(fields.ratelimit ?? '') ?? [];
  if (same !== policy || policy === '') throw new Error(`These are no RateLimit fields: ${JSON.stringify(headers)}`);
  return { policy, quota: Number(q), window: Number(w), left: Number(r), seconds: Number(t) };
}
