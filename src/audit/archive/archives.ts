import { createHash, hash } from 'node:crypto';
import { Readable } from 'node:stream';
import { buffer, text } from 'node:stream/consumers';
import { Injectable } from '@nestjs/common';
import { AppError } from '../../kernel/app-error.js';
import { KeyStore } from '../../platform/crypto/key-store.js';
import { zstd } from '../../platform/storage/codecs/zstd.js';
import { type ByteRange, type ObjectStorage } from '../../platform/storage/object-storage.js';
import { LogTrees } from '../sealing/log-trees.js';
import { leafHashHex } from '../sealing/merkle.js';
import { SealingRepository } from '../sealing/sealing.repository.js';
import { TrustedKeys } from '../verification/trusted-keys.js';
import { ArchiveRepository, type Month } from './archive.repository.js';
import { ArchiveSettings } from './archive-settings.js';
import { type ArchivedEvent, eventOf } from './event-line.js';
import { archiveOrigin, type ArchiveFrame, type ArchiveManifest, parseManifest } from './manifest.js';

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
    for await (const event of this.events(store, month, manifest)) {
      if (event.seq !== next++) throw broken(month, `event ${next - 1} is not in its place`);
      tree.push(Buffer.from(leafHashHex(event.payload), 'hex'));
      await take?.(event);
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
        const lines = (await text(zstd.decompress(Readable.from([frame], { objectMode: false })))).split('\n').slice(0, -1);
        yield lines.map((line) => {
          const event = eventOf(line);
          if (!event) throw broken(month, 'a line of it is no event');
          return event;
        });
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
  async *events(store: ObjectStorage, month: Month, { object, frames }: ArchiveManifest): AsyncGenerator<ArchivedEvent> {
    const { stream } = await store.get(object.key);
    const compared = new Compared(stream, frames);
    let rest = '';
    try {
      // Lines are never cut inside of a character: they are ASCII by JSON's escapes or UTF-8, and decoded as a whole stream.
      for await (const chunk of zstd.decompress(Readable.from(compared.chunks(), { objectMode: false })).setEncoding('utf8')) {
        const lines = (rest + String(chunk)).split('\n');
        rest = lines.pop() ?? '';
        for (const line of lines) {
          const event = eventOf(line);
          if (!event) throw broken(month, 'a line of it is no event');
          yield event;
        }
      }
    } catch (error) {
      if (error instanceof AppError && error.code === 'storage_corrupt') throw broken(month, 'what is stored was altered', error);
      throw error;
    } finally {
      stream.destroy();
    }
    if (rest !== '' || !compared.matches(object)) throw broken(month, 'what is stored is not what its manifest says');
  }
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

/** The bytes of an object as they pass, compared with the list of its frames. */
class Compared {
  private readonly whole = createHash('sha256');
  private frame = createHash('sha256');
  private inFrame = 0;
  private n = 0;
  private bytes = 0;
  private differs = false;

  constructor(
    private readonly source: AsyncIterable<Buffer>,
    private readonly frames: readonly ArchiveFrame[],
  ) {}

  async *chunks(): AsyncGenerator<Buffer> {
    for await (const chunk of this.source) {
      this.whole.update(chunk);
      for (let at = 0; at < chunk.length;) at += this.take(chunk.subarray(at));
      yield chunk;
    }
  }

  matches({ bytes, sha256 }: { bytes: number; sha256: string }): boolean {
    return !this.differs && this.n === this.frames.length && this.bytes === bytes && this.whole.digest('hex') === sha256;
  }

  private take(chunk: Buffer): number {
    const frame = this.frames[this.n];
    const taken = frame ? Math.min(chunk.length, frame.bytes - this.inFrame) : chunk.length;
    this.frame.update(chunk.subarray(0, taken));
    this.bytes += taken;
    this.inFrame += taken;
    if (!frame) this.differs = true;
    if (this.inFrame === frame?.bytes) {
      if (this.frame.digest('hex') !== frame.sha256 || frame.offset !== this.bytes - frame.bytes) this.differs = true;
      this.frame = createHash('sha256');
      this.inFrame = 0;
      this.n++;
    }
    return taken;
  }
}
