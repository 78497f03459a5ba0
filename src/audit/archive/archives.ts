import { hash } from 'node:crypto';
import { buffer, text } from 'node:stream/consumers';
import { Injectable } from '@nestjs/common';
import { AppError } from '../../kernel/app-error.js';
import { KeyStore } from '../../platform/crypto/key-store.js';
import { zstdContent } from '../../platform/storage/codecs/zstd.js';
import { type ByteRange, type ObjectStorage } from '../../platform/storage/object-storage.js';
import { LogTrees } from '../sealing/log-trees.js';
import { leafHashHex } from '../sealing/merkle.js';
import { SealingRepository } from '../sealing/sealing.repository.js';
import { TrustedKeys } from '../verification/trusted-keys.js';
import { ArchiveRepository, type Month } from './archive.repository.js';
import { ArchiveSettings } from './archive-settings.js';
import { type ArchivedEvent } from './event-line.js';
import { FrameThreads, THREADS } from './frame-threads.js';
import { bufferOf, type Proved } from './frame-work.js';
import { LineReader, NoEventLine } from './line-reader.js';
import { archiveOrigin, type ArchiveFrame, type ArchiveManifest, parseManifest } from './manifest.js';
import { StoredFrames } from './stored-frames.js';

/** Of an object, at once. */
const FETCHED = 4 << 20;

/** Reads archives, and believes them nothing. */
@Injectable()
export class Archives {
  constructor(
    private readonly settings: ArchiveSettings,
    private readonly keys: KeyStore,
    private readonly sealing: SealingRepository,
    private readonly trees: LogTrees,
    private readonly repository: ArchiveRepository,
  ) {}

  /** The manifest, when it is signed by a key of this log and is about this month. Throws `archive_broken`. */
  async manifestOf(month: Month, signed: string): Promise<ArchiveManifest> {
    const installation = await this.sealing.installation();
    const own = this.keys.auditSigners.map(({ publicKey }) => publicKey);
    const trusted = new TrustedKeys(installation, await this.sealing.keys(), own);
    const parsed = parseManifest(signed);
    if (!parsed || !trusted.signedByAny(parsed.note, archiveOrigin(installation)))
      throw broken(month, 'its manifest is not signed by a key of this log');
    const { manifest } = parsed;
    const { log, period, firstSeq, lastSeq, root } = manifest;
    const same = log === month.log && period === month.period && firstSeq === month.firstSeq && lastSeq === month.lastSeq;
    if (!same || root !== month.root.toString('base64')) throw broken(month, 'its manifest is about something else');
    return manifest;
  }

  /** The text of a small object. Throws `storage_not_found`. */
  async textOf(store: ObjectStorage, key: string): Promise<string> {
    return text((await store.get(key)).stream);
  }

  /**
   * Reads all of an archive, and what lies beside it: each event, their number and places, and the root. Whoever takes the events on the way
   * may believe them when this has returned. Throws `archive_broken` and what the store does.
   */
  async check(month: Month, signed: string, take?: (event: ArchivedEvent) => Promise<void>): Promise<void> {
    const store = await this.settings.store();
    const manifest = await this.manifestOf(month, signed);
    if (month.manifestKey === null || (await this.textOf(store, month.manifestKey)) !== signed)
      throw broken(month, 'the manifest that is stored is another one');
    const tree = await this.trees.before(month);
    let next = month.firstSeq;
    for await (const { told, leaves, lines } of this.whole(store, month, manifest, take !== undefined)) {
      if (told.firstSeq !== next) throw broken(month, `event ${next} is not in its place`);
      next += told.rows;
      tree.pushLeaves(leaves);
      if (take && lines) for (const event of eventsIn(month, lines)) await take(event);
    }
    if (next !== month.lastSeq + 1) throw broken(month, `it ends before event ${next}`);
    if (!tree.root.equals(month.root)) throw broken(month, 'its events do not have the root that was sealed');
  }

  /**
   * The events of an archive by its frames, fetched a few mebibytes at a time; each frame is compared with its digest in the manifest. Throws
   * `archive_broken` and what the store does.
   */
  async *frames(month: Month, { object, frames }: ArchiveManifest): AsyncGenerator<ArchivedEvent[]> {
    const store = await this.settings.store();
    for (const group of groupsOf(frames)) {
      const [first] = group;
      const last = group.at(-1);
      if (!first || !last) continue;
      const range = { offset: first.offset, length: last.offset + last.bytes - first.offset };
      const fetched = await this.part(store, month, object.key, range);
      for (const { offset, bytes, sha256 } of group) {
        const frame = fetched.subarray(offset - first.offset, offset - first.offset + bytes);
        if (hash('sha256', frame, 'hex') !== sha256) throw broken(month, 'what is stored was altered');
        yield eventsIn(month, zstdContent(frame));
      }
    }
  }

  private async part(store: ObjectStorage, month: Month, key: string, range: ByteRange): Promise<Buffer> {
    try {
      return await buffer((await store.get(key, { range })).stream);
    } catch (error) {
      const code = error instanceof AppError ? error.code : undefined;
      if (code === 'storage_corrupt') throw broken(month, 'what is stored was altered', error);
      if (code === 'storage_not_found') throw broken(month, 'it is not in its store', error);
      throw error;
    }
  }

  /** Throws `archive_broken` unless each event has the hash that the log sealed in its place. */
  async prove(month: Month, events: readonly ArchivedEvent[]): Promise<void> {
    const sealed = await this.repository.leavesAt(
      month.class,
      events.map(({ seq }) => seq),
    );
    for (const { seq, payload } of events)
      if (sealed.get(seq)?.toString('hex') !== leafHashHex(payload)) throw broken(month, `event ${seq} is not the one that was sealed`);
  }

  /** Every event of an archive, in order; whoever reads to the end knows that the object is the one that was stored. Throws `archive_broken`. */
  async *events(store: ObjectStorage, month: Month, manifest: ArchiveManifest): AsyncGenerator<ArchivedEvent> {
    for await (const { lines } of this.whole(store, month, manifest, true)) if (lines) yield* eventsIn(month, lines);
  }

  /** The frames of an archive, in order, each by itself what the manifest says; at the end all of it is. */
  private async *whole(
    store: ObjectStorage,
    month: Month,
    manifest: ArchiveManifest,
    withLines: boolean,
  ): AsyncGenerator<{ told: ArchiveFrame; leaves: Buffer; lines: Buffer | undefined }> {
    const { stream } = await store.get(manifest.object.key);
    const stored = new StoredFrames(stream, manifest);
    const threads = new FrameThreads(manifest.bytes);
    const proving: { told: ArchiveFrame; answer: Promise<Proved> }[] = [];
    const next = async (): Promise<{ told: ArchiveFrame; leaves: Buffer; lines: Buffer | undefined }[]> => {
      const first = proving.shift();
      if (!first) return [];
      const proved = await first.answer;
      if ('broken' in proved) throw broken(month, proved.broken);
      return [{ told: first.told, leaves: bufferOf(proved.leaves), lines: proved.lines && bufferOf(proved.lines) }];
    };
    try {
      for await (const { frame, told } of stored.all()) {
        proving.push({ told, answer: threads.prove({ frame, told, lines: withLines }) });
        // Each thread has one under way and one that waits.
        if (proving.length > 2 * THREADS) yield* await next();
      }
      while (proving.length > 0) yield* await next();
    } catch (error) {
      if (error instanceof AppError && error.code === 'storage_corrupt') throw broken(month, 'what is stored was altered', error);
      throw error;
    } finally {
      stream.destroy();
      await threads.close();
    }
    if (!stored.matches()) throw broken(month, 'what is stored is not what its manifest says');
  }
}

function eventsIn(month: Month, lines: Buffer): ArchivedEvent[] {
  const reader = new LineReader(lines);
  const events: ArchivedEvent[] = [];
  try {
    while (reader.next()) events.push(reader.event());
  } catch (error) {
    if (error instanceof NoEventLine) throw broken(month, error.message);
    throw error;
  }
  return events;
}

function broken({ log, period }: Month, why: string, cause?: unknown): AppError {
  return new AppError('conflict', 'archive_broken', `The archive of ${log} ${period} is broken: ${why}.`, { cause });
}

/** Frames that lie behind each other, in requests of a few mebibytes. */
function* groupsOf(frames: readonly ArchiveFrame[]): Generator<ArchiveFrame[]> {
  let group: ArchiveFrame[] = [];
  let bytes = 0;
  for (const frame of frames) {
    if (group.length > 0 && bytes + frame.bytes > FETCHED) {
      yield group;
      [group, bytes] = [[], 0];
    }
    group.push(frame);
    bytes += frame.bytes;
  }
  if (group.length > 0) yield group;
}
