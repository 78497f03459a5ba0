import { hash } from 'node:crypto';
import { AppError } from '../../kernel/app-error.js';
import { zstdContent, zstdFrame, type ZstdLibrary } from '../../platform/storage/codecs/zstd.js';
import { HASH_BYTES, sha256 } from '../sealing/merkle.js';
import { COLUMN, CopiedRows } from './copied-rows.js';
import { LineReader, NoEventLine } from './line-reader.js';
import { LineWriter } from './line-writer.js';
import { type ArchiveFrame } from './manifest.js';

/** Of what the lines hold most is hashes and ids: a higher level takes longer and makes more of it, not less. */
const LEVEL = 1;

/** So many rows as they were copied: the first `length` bytes of `rows`, which comes back for the next. */
export interface Packing {
  rows: Uint8Array;
  length: number;
  count: number;
}

/** Their lines as a frame of an archive, and the hash of each event as it stands in them. */
export interface Packed {
  frame: Uint8Array;
  sha256: string;
  leaves: Uint8Array;
  rows: Uint8Array;
}

/** A frame that was read, and what its manifest says of it. */
export interface Proving {
  frame: Uint8Array;
  told: ArchiveFrame;
  /** Whether its lines are wanted too. */
  lines: boolean;
}

/** The hashes of the frame's events, of 32 bytes each; or what is wrong with it. */
export type Proved = { leaves: Uint8Array; lines: Uint8Array | undefined } | { broken: string };

export type FrameOrder = { pack: Packing } | { prove: Proving };

const writer = new LineWriter();

export function pack({ rows, length, count }: Packing, library?: ZstdLibrary): Packed {
  const row = new CopiedRows(bufferOf(rows), length);
  const leaves = Buffer.from(new ArrayBuffer(count * HASH_BYTES));
  writer.begin();
  for (let at = 0; row.next(); at += HASH_BYTES) {
    leaves.write(leafHashOf(row), at, 'latin1');
    const hashed = leaves.compare(row.bytes, row.start(COLUMN.leaf), row.end(COLUMN.leaf), at, at + HASH_BYTES) === 0;
    writer.write(row, hashed);
  }
  const frame = zstdFrame(writer.lines, LEVEL, library);
  return { frame, sha256: hash('sha256', frame, 'hex'), leaves, rows };
}

/** Of the payload that was written, where it lies: the byte before it is the last one of its length, which was read. */
function leafHashOf(row: CopiedRows): string {
  const before = row.start(COLUMN.payload) - 1;
  row.bytes[before] = 0;
  return sha256(row.bytes.subarray(before, row.end(COLUMN.payload)));
}

const reader = new LineReader(Buffer.alloc(0));

/** Its bytes, its lines and their numbers are what the manifest says; whether its events are those that were sealed, the tree over their hashes tells. */
export function prove({ frame, told, lines }: Proving, library?: ZstdLibrary): Proved {
  if (hash('sha256', frame, 'hex') !== told.sha256) return { broken: 'what is stored was altered' };
  const leaves = Buffer.from(new ArrayBuffer(told.rows * HASH_BYTES));
  try {
    const content = zstdContent(bufferOf(frame), library);
    reader.turnTo(content);
    let row = 0;
    for (; reader.next(); row++) {
      if (row === told.rows || reader.seq !== told.firstSeq + row) return { broken: `event ${told.firstSeq + row} is not in its place` };
      leaves.write(reader.leafHash(), row * HASH_BYTES, 'latin1');
    }
    if (row < told.rows) return { broken: `event ${told.firstSeq + row} is not in its place` };
    return { leaves, lines: lines ? content : undefined };
  } catch (error) {
    if (error instanceof NoEventLine) return { broken: error.message };
    if (error instanceof AppError && error.code === 'storage_corrupt') return { broken: 'what is stored was altered' };
    throw error;
  }
}

/** What comes from another thread is no Buffer any more. */
export function bufferOf(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
