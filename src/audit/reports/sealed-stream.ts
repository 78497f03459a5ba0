import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import { StreamableFile } from '@nestjs/common';
import { AppError } from '../../kernel/app-error.js';
import { currentContext, runInContext } from '../../platform/context/request-context.js';

/** What was sent in the end. */
export interface Sent {
  count: number;
  /** SHA-256 of every byte before the last line, in hex. */
  digest: string;
  /** Whether all of it was sent: false when the client went away or a page failed. */
  complete: boolean;
  /** What was wrong, when this program knows. */
  reason?: string;
}

export interface Streamed {
  type: string;
  filename: string;
  /** Pieces of text, each with the number of events in it. */
  pieces: AsyncGenerator<{ text: string; count: number }>;
  /** The last line, which the digest does not cover. */
  last: (sent: Sent) => string;
  /** Called once: before the last line is sent, or when it never will be. What it throws breaks the answer off. */
  record: (sent: Sent) => Promise<void>;
}

/** An answer of any length in little memory, with count and digest in its last line, recorded before it is complete. */
export function sealedStream({ type, filename, ...streamed }: Streamed): StreamableFile {
  const context = currentContext();
  const { record } = streamed;
  const recorded = (sent: Sent): Promise<void> => (context ? runInContext(context, () => record(sent)) : record(sent));
  return new StreamableFile(Readable.from(lines({ ...streamed, record: recorded }), { highWaterMark: 1 }), {
    type,
    disposition: `attachment; filename="${filename}"`,
  });
}

/** For HEAD: as if it were empty, so that nothing is read and nothing recorded. */
export function nothingOf(type: string): StreamableFile {
  return new StreamableFile(Readable.from([]), { type });
}

async function* lines({ pieces, last, record }: Pick<Streamed, 'pieces' | 'last' | 'record'>): AsyncGenerator<string> {
  const hash = createHash('sha256');
  let count = 0;
  const settle = (complete: boolean): Sent => ({ count, digest: hash.digest('hex'), complete });
  let reason: string | undefined;
  const sent: Sent[] = [];
  try {
    for await (const piece of pieces) {
      hash.update(piece.text);
      yield piece.text;
      count += piece.count;
    }
    const all = settle(true);
    sent.push(all);
    await record(all);
    yield last(all);
  } catch (error) {
    reason = error instanceof AppError ? error.code : undefined;
    throw error;
  } finally {
    if (sent.length === 0) await record({ ...settle(false), ...(reason === undefined ? {} : { reason }) });
  }
}
