import autocannon from 'autocannon';

interface Load {
  url: string;
  connections: number;
  ms: number;
  headers?: Record<string, string>;
  method?: 'GET' | 'POST';
  body?: string;
  /** One request after another, each connection from its own place. */
  paths: readonly string[];
}

/** Requests a second over keep-alive connections; anything but 2xx is an error, since a fast refusal is no result. */
export async function httpLoad({ url, connections, ms, headers = {}, method = 'GET', body, paths }: Load): Promise<number> {
  const result = await autocannon({
    url,
    connections,
    duration: ms / 1000,
    // It ends at the next sample, and counts the time until then.
    sampleInt: 100,
    requests: paths.map((path) => ({
      method,
      path,
      headers: { ...headers, ...(body === undefined ? {} : { 'content-type': 'application/json' }) },
      ...(body === undefined ? {} : { body }),
    })),
  });
  if (result.non2xx > 0 || result.errors > 0)
    throw new Error(`${result.non2xx} answers other than 2xx and ${result.errors} errors from ${url}`);
  return result['2xx'] / result.duration;
}

/** The 99th percentile of the answers' latency, in milliseconds. */
export async function tailLatency({ url, connections, ms, headers = {}, paths }: Load): Promise<number> {
  const { latency, non2xx, errors } = await autocannon({
    url,
    connections,
    duration: ms / 1000,
    requests: paths.map((path) => ({ method: 'GET', path, headers })),
  });
  if (non2xx > 0 || errors > 0) throw new Error(`${non2xx} answers other than 2xx and ${errors} errors from ${url}`);
  return latency.p99;
}

/** Calls a second of `work` by `clients` callers at once. */
export async function callLoad(clients: number, ms: number, work: (client: number) => Promise<void>): Promise<number> {
  const start = performance.now();
  let done = 0;
  await Promise.all(
    Array.from({ length: clients }, async (_, client) => {
      while (performance.now() - start < ms) {
        await work(client);
        done++;
      }
    }),
  );
  return (done * 1000) / (performance.now() - start);
}
