import { setTimeout as delay } from 'node:timers/promises';

const POLL_MS = 20;

/** What `look` returns, as soon as it is neither undefined nor false. Throws what `look` threw last, or that nothing came of it, after `withinMs`. */
export async function eventually<T>(look: () => Promise<T | undefined | false> | T | undefined | false, withinMs = 30_000): Promise<T> {
  const deadline = performance.now() + withinMs;
  let failure: unknown;
  do {
    try {
      const found = await look();
      if (found !== undefined && found !== false) return found;
      failure = undefined;
    } catch (error) {
      failure = error;
    }
    await delay(POLL_MS);
  } while (performance.now() < deadline);
  throw failure instanceof Error ? failure : new Error(`This did not happen within ${withinMs} ms: ${look.toString()}`);
}
