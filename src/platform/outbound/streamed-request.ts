import { type ClientRequest, type IncomingHttpHeaders, type IncomingMessage, request as requestHttp } from 'node:http';
import { request as requestHttps } from 'node:https';
import { pipeline, type Readable } from 'node:stream';
import { type CheckedAddress, only } from './pinned-request.js';

/** How long a server may take to say that it wants the body, before it gets it unasked (RFC 9110 §10.1.1). */
const CONTINUE_MS = 1000;

export interface StreamedRequest {
  method: string;
  headers: Readonly<Record<string, string>>;
  /** With `expect: 100-continue` among the headers it is sent when the server wants it. */
  body?: Readable;
  /** How long the other end may stand still: what waits for our source or our reader does not count. */
  idleMs: number;
}

export interface StreamedAnswer {
  status: number;
  headers: IncomingHttpHeaders;
  body: Readable;
}

/** As `sendPinned`, but with streams of any length. Rejects with the error of the body's source, when it is that which failed. */
export async function streamPinned(
  url: URL,
  { method, headers, body, idleMs }: StreamedRequest,
  { to, ca }: { to: readonly CheckedAddress[]; ca?: string },
): Promise<StreamedAnswer> {
  return new Promise((resolve, reject) => {
    let answer: IncomingMessage | undefined;
    const send = url.protocol === 'https:' ? requestHttps : requestHttp;
    const sent = send(url, {
      method,
      headers: { ...headers, 'accept-encoding': 'identity' },
      // A connection that is kept would be used again without a check.
      agent: false,
      lookup: only(to),
      timeout: idleMs,
      ...(ca === undefined ? {} : { ca }),
    });
    sent.on('response', (received) => {
      answer = received;
      resolve({ status: received.statusCode ?? 0, headers: received.headers, body: received });
    });
    sent.on('error', reject);
    sent.on('timeout', () => {
      if (waitsForUs(sent, answer)) sent.socket?.setTimeout(idleMs);
      else sent.destroy(new Error(`Nothing moved for ${idleMs} ms.`));
    });
    if (!body) sent.end();
    else
      whenWanted(sent, headers, () => {
        // What fails here ends the request, and that rejects; after an early answer it does not matter any more.
        pipeline(body, sent, (error) => {
          if (error) reject(error);
        });
      });
    // A source that is not asked for its bytes any more is to be let go.
    sent.once('close', () => body?.destroy());
  });
}

function whenWanted(sent: ClientRequest, headers: Readonly<Record<string, string>>, begin: () => void): void {
  if (headers.expect === undefined) {
    begin();
    return;
  }
  const timer = setTimeout(go, CONTINUE_MS);
  function go(): void {
    clearTimeout(timer);
    sent.off('continue', go);
    begin();
  }
  sent.once('continue', go);
  for (const event of ['response', 'close'])
    sent.once(event, () => {
      clearTimeout(timer);
    });
  sent.flushHeaders();
}

function waitsForUs(sent: ClientRequest, answer: IncomingMessage | undefined): boolean {
  if (answer) return answer.readableLength > 0;
  return sent.socket?.connecting === false && !sent.writableEnded && sent.writableLength === 0;
}
