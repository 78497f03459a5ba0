import { type IncomingMessage, request as requestHttp, type RequestOptions } from 'node:http';
import { request as requestHttps } from 'node:https';
import { type LookupFunction } from 'node:net';

export interface CheckedAddress {
  address: string;
  family: 4 | 6;
}

interface Pinned {
  /** In the order in which they are tried. */
  to: readonly CheckedAddress[];
  signal: AbortSignal;
  /** Trusted besides what this machine trusts; PEM. */
  ca?: string;
}

/** What is asked for is descriptions and tokens, not files. */
const MOST_BYTES = 4 * 1024 * 1024;
const WITHOUT_BODY = new Set([204, 205, 304]);

/**
 * Sends a request to one of these addresses, whatever the name in its URL resolves to by now; the name still stands in Host and in TLS. Follows
 * no redirect: that is an answer like any other. Rejects when there is no whole answer of at most 4 MiB.
 */
export async function sendPinned(request: Request, { to, signal, ca }: Pinned): Promise<Response> {
  const url = new URL(request.url);
  const body = request.body ? Buffer.from(await request.arrayBuffer()) : undefined;
  const options: RequestOptions & { ca?: string } = {
    method: request.method,
    headers: { ...Object.fromEntries(request.headers), 'accept-encoding': 'identity', ...(body ? { 'content-length': body.length } : {}) },
    // A connection that is kept would be used again without a check.
    agent: false,
    lookup: only(to),
    signal,
    ...(ca === undefined ? {} : { ca }),
  };
  return new Promise((resolve, reject) => {
    const send = url.protocol === 'https:' ? requestHttps : requestHttp;
    const sent = send(url, options, (answer) => {
      wholeOf(answer).then(resolve, reject);
    });
    sent.on('error', reject);
    sent.end(body);
  });
}

/** A resolver that knows these addresses and no other. */
export function only(addresses: readonly CheckedAddress[]): LookupFunction {
  return (host, options, done) => {
    const [first] = addresses;
    if (options.all === true) done(null, [...addresses]);
    else if (first) done(null, first.address, first.family);
    else done(new Error(`${host} has no address.`), []);
  };
}

async function wholeOf(answer: IncomingMessage): Promise<Response> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of answer as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > MOST_BYTES) throw new Error(`The answer is larger than ${MOST_BYTES} bytes.`);
    chunks.push(chunk);
  }
  const headers = new Headers();
  for (const [name, values = []] of Object.entries(answer.headersDistinct)) for (const value of values) headers.append(name, value);
  const status = answer.statusCode ?? 0;
  return new Response(WITHOUT_BODY.has(status) ? null : Buffer.concat(chunks), { status, headers });
}
