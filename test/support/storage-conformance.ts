import { createHash, randomBytes } from 'node:crypto';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import fc from 'fast-check';
import { AppError } from '../../src/kernel/app-error.js';
import { type Capabilities, type ObjectStorage, type PutOptions } from '../../src/platform/storage/object-storage.js';

const MEBIBYTE = 1024 * 1024;
/** More than what of one object is ever in memory, with what the collector has not come to yet. */
const MOST_GROWTH = 160 * MEBIBYTE;

export const sha256 = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex');
export const streamOf = (bytes: Buffer, chunk = 65_536): Readable =>
  Readable.from(
    (function* () {
      for (let at = 0; at < bytes.length; at += chunk) yield bytes.subarray(at, at + chunk);
    })(),
    { objectMode: false },
  );

/** That many bytes, of which no two chunks are the same and none is kept. */
export function generated(bytes: number): Readable {
  return Readable.from(
    (function* () {
      for (let left = bytes, n = 0; left > 0; left -= 65_536, n += 1) {
        const chunk = Buffer.alloc(Math.min(left, 65_536), n & 255);
        chunk.writeUInt32LE(n % 2 ** 32, 0);
        yield chunk;
      }
    })(),
    { objectMode: false },
  );
}

/** The code it fails with, and the message where that is nobody’s code; `done` when it does not fail. */
export async function outcome(work: Promise<unknown>): Promise<string> {
  try {
    await work;
    return 'done';
  } catch (error) {
    return error instanceof AppError ? error.code : String(error);
  }
}

/** What every driver has to do, whatever it stores objects in. `open` is called once tests run; the store is empty. */
export function storageConformance(open: () => ObjectStorage, expected: Capabilities): void {
  let storage: ObjectStorage;
  const put = (key: string, bytes: Buffer, options: Partial<PutOptions> = {}): ReturnType<ObjectStorage['put']> =>
    storage.put(key, streamOf(bytes), { createOnly: true, ...options });
  const read = async (key: string): Promise<Buffer> => buffer((await storage.get(key)).stream);
  const keys = async (prefix = '', after?: string, limit = 1000): Promise<string[]> =>
    (await storage.list(prefix, after, limit)).items.map(({ key }) => key);

  beforeAll(() => {
    storage = open();
  });

  afterEach(async () => {
    for (const key of await keys()) await storage.delete(key);
  });

  it('T6: says what it does only after it was seen to, and leaves nothing of the trial', async () => {
    expect(await storage.capabilities()).toEqual(expected);
    expect(await keys()).toEqual([]);
  });

  it.each([0, 1, 65_536, 3 * MEBIBYTE + 1])(
    'T2: gives back %i bytes as they were given, however much was said about them',
    async (size) => {
      const bytes = randomBytes(size);
      const known: Partial<PutOptions>[] = [{}, { bytes: size }, { sha256: sha256(bytes) }, { bytes: size, sha256: sha256(bytes) }];
      for (const [i, said] of known.entries()) {
        const stored = await put(`sizes/${i}`, bytes, said);
        expect([stored.bytes, stored.sha256]).toEqual([size, sha256(bytes)]);
        const { stream, facts } = await storage.get(`sizes/${i}`);
        expect((await buffer(stream)).equals(bytes)).toBe(true);
        expect(facts).toMatchObject({ bytes: size, sha256: sha256(bytes), etag: stored.etag });
      }
    },
  );

  it('T2: keeps metadata, time and digest with the object, and takes them from what replaces it', async () => {
    const before = Date.now() - 5000;
    const metadata = { rows: '350001', range: 'a b/c; d="e"', empty: '' };
    const first = await put('facts', Buffer.from('one'), { metadata });
    const facts = await storage.head('facts');
    expect(facts).toMatchObject({ bytes: 3, sha256: sha256(Buffer.from('one')), etag: first.etag, metadata });
    expect(facts.storedAt.getTime()).toBeGreaterThan(before);
    const second = await put('facts', Buffer.from('two!'), { createOnly: false });
    expect(second.etag).not.toBe(first.etag);
    expect(await storage.head('facts')).toMatchObject({ bytes: 4, sha256: sha256(Buffer.from('two!')), etag: second.etag, metadata: {} });
  });

  it('T2: refuses to create what is there, and leaves it as it is', async () => {
    await put('once', Buffer.from('first'));
    expect(await outcome(put('once', Buffer.from('second')))).toBe('storage_exists');
    expect((await read('once')).toString()).toBe('first');
  });

  it('T2: of creators of one object at once exactly one wins, and the object is its', async () => {
    for (let round = 0; round < 3; round += 1) {
      const contents = Array.from({ length: 8 }, (_, i) => Buffer.alloc(50_000 + i, i));
      const outcomes = await Promise.all(contents.map((bytes) => outcome(put(`race/${round}`, bytes))));
      expect(outcomes.toSorted()).toEqual(['done', ...Array.from({ length: 7 }, () => 'storage_exists')]);
      const winner = contents[outcomes.indexOf('done')];
      expect(winner?.equals(await read(`race/${round}`))).toBe(true);
    }
  });

  it('T2: whoever reads while others replace an object gets one of them, whole and with its own facts', async () => {
    const write = (i: number): Promise<unknown> =>
      put('replaced', Buffer.alloc(20_000 + i, i), { createOnly: false, metadata: { number: String(i) } });
    await write(0);
    const look = async (): Promise<void> => {
      const { stream, facts } = await storage.get('replaced');
      const bytes = await buffer(stream);
      expect([bytes.length, bytes[0], facts.sha256]).toEqual([
        20_000 + Number(facts.metadata.number),
        Number(facts.metadata.number),
        sha256(bytes),
      ]);
    };
    await Promise.all(Array.from({ length: 24 }, (_, i) => (i % 2 === 0 ? write(i) : look())));
    await look();
  });

  it('T3: what is not of the length or digest that was said is corrupt, and is not stored', async () => {
    const bytes = randomBytes(200_000);
    await put('kept', Buffer.from('kept'));
    const wrong: Partial<PutOptions>[] = [
      { bytes: bytes.length - 1 },
      { bytes: bytes.length + 1 },
      { sha256: sha256(Buffer.from('other')) },
      { bytes: bytes.length, sha256: sha256(Buffer.from('other')) },
      { bytes: bytes.length - 1, sha256: sha256(bytes.subarray(0, -1)) },
      { bytes: bytes.length + 1, sha256: sha256(bytes) },
    ];
    for (const said of wrong) {
      expect([said, await outcome(put('wrong', bytes, said))]).toEqual([said, 'storage_corrupt']);
      expect([said, await outcome(put('kept', bytes, { ...said, createOnly: false }))]).toEqual([said, 'storage_corrupt']);
    }
    expect(await keys()).toEqual(['kept']);
    expect((await read('kept')).toString()).toBe('kept');
  });

  it('T3: a source that fails halfway fails the put with its own error, and nothing is stored', async () => {
    for (const said of [{}, { bytes: 400_000, sha256: sha256(Buffer.alloc(400_000)) }]) {
      const source = Readable.from(
        (async function* () {
          yield Buffer.alloc(200_000);
          await Promise.reject(new Error('the snapshot is gone'));
        })(),
      );
      expect(await outcome(storage.put('half', source, { createOnly: true, ...said }))).toBe('Error: the snapshot is gone');
      expect([source.destroyed, await keys()]).toEqual([true, []]);
    }
  });

  it('T5: gives any range, and refuses one that reaches past the end', async () => {
    const bytes = randomBytes(5000);
    await put('ranged', bytes);
    await fc.assert(
      fc.asyncProperty(fc.nat(4999), fc.integer({ min: 1, max: 5000 }), async (offset, length) => {
        const opened = storage.get('ranged', { range: { offset, length } });
        if (offset + length > bytes.length) {
          expect(await outcome(opened)).toBe('storage_corrupt');
          return;
        }
        const { stream, facts } = await opened;
        expect([facts.bytes, (await buffer(stream)).equals(bytes.subarray(offset, offset + length))]).toEqual([5000, true]);
      }),
      { numRuns: 25 },
    );
    expect(await outcome(storage.get('ranged', { range: { offset: 5000, length: 1 } }))).toBe('storage_corrupt');
  });

  it('T5: what is not there is not found, and can be deleted all the same', async () => {
    expect(await outcome(storage.get('nothing'))).toBe('storage_not_found');
    expect(await outcome(storage.head('nothing'))).toBe('storage_not_found');
    expect(await outcome(storage.get('nothing/at/all', { range: { offset: 0, length: 1 } }))).toBe('storage_not_found');
    expect(await outcome(storage.delete('nothing'))).toBe('done');
    await put('something/there', Buffer.from('x'));
    expect(await outcome(storage.head('something'))).toBe('storage_not_found');
    await storage.delete('something/there');
    expect(await outcome(storage.head('something/there'))).toBe('storage_not_found');
    await put('something', Buffer.from('a file where a folder was'));
    expect(await keys()).toEqual(['something']);
  });

  it('T5: lists by prefix in the order of the bytes, page after page', async () => {
    const all = ['a', 'a-b', 'a.b', 'b/1', 'b/10', 'b/2', 'b/c/d', 'b-c', 'b.c', 'B', 'c/a b', 'c/~'];
    for (const key of all) await put(key, Buffer.from(key));
    const sorted = all.toSorted();
    expect(await keys()).toEqual(sorted);
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom('', 'a', 'b', 'b/', 'b/1', 'b/c/', 'c', 'x', 'x/y'),
        fc.option(fc.constantFrom(...all, 'b', 'b/', 'b/c', '0', 'zz'), { nil: undefined }),
        fc.integer({ min: 1, max: 6 }),
        async (prefix, after, limit) => {
          const matching = sorted.filter((key) => key.startsWith(prefix) && (after === undefined || key > after));
          const page = await storage.list(prefix, after, limit);
          expect(page.items.map(({ key }) => key)).toEqual(matching.slice(0, limit));
          expect(page.next).toBe(matching.length > limit ? matching[limit - 1] : undefined);
        },
      ),
      { numRuns: 30 },
    );
    expect((await storage.list('b/10', undefined, 1)).items).toMatchObject([{ key: 'b/10', bytes: 4 }]);
  });

  it('T2, ASVS 5.3.2: takes every key that is one, and no other', async () => {
    const odd = ['odd/ !"#$%&\'()*+,-.:;<=>?@[]^_`{|}~', 'odd/%41%2F', 'odd/...', `${'long/'.repeat(40)}${'x'.repeat(200)}`];
    for (const key of odd) {
      await put(key, Buffer.from(key));
      expect((await read(key)).toString()).toBe(key);
    }
    expect(await keys()).toEqual(odd.toSorted());
    for (const key of ['', '../out', 'a/../../out', '/etc/passwd', 'a//b', 'a\\b', 'a\0b', 'ü', 'x'.repeat(1025)]) {
      const all = [put(key, Buffer.from('x')), storage.get(key), storage.head(key), storage.delete(key)];
      expect([key, ...(await Promise.all(all.map(outcome)))]).toEqual([key, ...Array.from({ length: 4 }, () => 'storage_bad_key')]);
    }
    expect(await outcome(storage.list('../', undefined, 10))).toBe('storage_bad_key');
  });

  it('T5: a reader may leave at any time', async () => {
    await storage.put('left', generated(8 * MEBIBYTE), { createOnly: true });
    const unread = await storage.get('left');
    unread.stream.destroy();
    const { stream } = await storage.get('left');
    for await (const chunk of stream as AsyncIterable<Buffer>) {
      expect(chunk.length).toBeGreaterThan(0);
      break;
    }
    expect([unread.stream.destroyed, stream.destroyed]).toEqual([true, true]);
  });

  it('T2: memory stays flat while 300 MiB of unknown length go in and come out', async () => {
    const size = 300 * MEBIBYTE;
    let most = 0;
    const watched = async <T>(work: Promise<T>): Promise<T> => {
      const timer = setInterval(() => (most = Math.max(most, process.memoryUsage.rss())), 10);
      try {
        return await work;
      } finally {
        clearInterval(timer);
      }
    };
    await put('warm', randomBytes(20 * MEBIBYTE));
    await read('warm');
    const start = process.memoryUsage.rss();
    const stored = await watched(storage.put('big', generated(size), { createOnly: true }));
    expect([stored.bytes, (await storage.head('big')).bytes]).toEqual([size, size]);
    const hash = createHash('sha256');
    await watched(
      (async () => {
        for await (const chunk of (await storage.get('big')).stream as AsyncIterable<Buffer>) hash.update(chunk);
      })(),
    );
    expect(hash.digest('hex')).toBe(stored.sha256);
    expect(most - start).toBeLessThan(MOST_GROWTH);
  }, 180_000);
}
