import { type RequestContext } from '../../platform/context/request-context.js';

const RSS_EVERY_MS = 1000;
let rss = { at: -RSS_EVERY_MS, mib: 0 };

/** How far a request had come when its event was written: milliseconds, statements to the database, and the process' memory. */
export function processingOf({ startedAt, queries = 0 }: RequestContext): { ms: number; queries: number; rssMiB: number } | undefined {
  if (startedAt === undefined) return undefined;
  const now = performance.now();
  // Asking the kernel each time would cost more than all the rest of an event.
  if (now - rss.at >= RSS_EVERY_MS) rss = { at: now, mib: Math.round(process.memoryUsage.rss() / 2 ** 20) };
  return { ms: Math.round((now - startedAt) * 10) / 10, queries, rssMiB: rss.mib };
}
