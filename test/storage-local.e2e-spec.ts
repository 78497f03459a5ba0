import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmdirSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, readFile, rm, stat, truncate, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { LocalStorage } from '../src/platform/storage/local/local-storage.js';
import { programPath } from './support/programs.js';
import { generated, outcome, storageConformance, streamOf } from './support/storage-conformance.js';

describe('objects in a folder', () => {
  let folder: string;

  beforeAll(async () => {
    folder = await mkdtemp(path.join(tmpdir(), 'cadastre-storage-'));
  });

  afterAll(() => rm(folder, { recursive: true, force: true }));

  storageConformance(() => new LocalStorage(folder), { createOnly: 'always', ranges: true, objectLock: false, storageClasses: [] });
});

describe('a folder that objects are in', () => {
  let folder: string;

  beforeEach(async () => {
    folder = await mkdtemp(path.join(tmpdir(), 'cadastre-storage-'));
  });

  afterEach(() => rm(folder, { recursive: true, force: true }));

  const files = async (...below: string[]): Promise<string[]> =>
    (await readdir(path.join(folder, ...below), { recursive: true, withFileTypes: true }))
      .filter((entry) => entry.isFile())
      .map(({ name }) => name);

  it('T5: objects are plain files under their keys, readable by their owner alone, and nothing else is left', async () => {
    const storage = new LocalStorage(folder);
    await storage.put('2026/11/audit.jsonl.gz', streamOf(Buffer.from('content')), { createOnly: true });
    await storage.put('2026/11/audit.jsonl.gz', streamOf(Buffer.from('again')), { createOnly: false });
    await outcome(storage.put('2026/11/audit.jsonl.gz', streamOf(Buffer.from('refused')), { createOnly: true }));
    const file = path.join(folder, 'objects/2026/11/audit.jsonl.gz');
    expect([await readFile(file, 'utf8'), (await stat(file)).mode & 0o777]).toEqual(['again', 0o600]);
    expect([await files('incoming'), (await files('facts')).length]).toEqual([[], 1]);
    await storage.delete('2026/11/audit.jsonl.gz');
    expect([await files(), await readdir(path.join(folder, 'objects'))]).toEqual([[], []]);
  });

  it('T3: an object that was cut or changed behind its back fails where it is read', async () => {
    const storage = new LocalStorage(folder);
    const file = path.join(folder, 'objects/damaged');
    const bytes = Buffer.alloc(100_000, 1);
    const read = async (): Promise<Buffer> => buffer((await storage.get('damaged')).stream);
    await storage.put('damaged', streamOf(bytes), { createOnly: true });
    const { atime, mtime } = await stat(file);
    // As a copy has it that keeps times in whole milliseconds.
    await utimes(file, atime, mtime);
    expect((await read()).equals(bytes)).toBe(true);
    bytes[50_000] = 2;
    await writeFile(file, bytes);
    expect(await outcome(read())).toBe('storage_corrupt');
    await truncate(file, 99_999);
    expect(await outcome(read())).toBe('storage_corrupt');
    await writeFile(path.join(folder, 'objects/by-hand'), 'by hand');
    expect((await buffer((await storage.get('by-hand')).stream)).toString()).toBe('by hand');
    expect((await storage.head('by-hand')).sha256).toBeUndefined();
  });

  it('T2: one object cannot be the folder of another, and says so', async () => {
    const storage = new LocalStorage(folder);
    await storage.put('both', streamOf(Buffer.from('x')), { createOnly: true });
    expect(await outcome(storage.put('both/below', streamOf(Buffer.from('x')), { createOnly: true }))).toBe('storage_bad_key');
    expect(await outcome(storage.get('both/below'))).toBe('storage_not_found');
    await storage.delete('both');
    await storage.put('both/below', streamOf(Buffer.from('x')), { createOnly: true });
    for (const createOnly of [true, false])
      expect(await outcome(storage.put('both', streamOf(Buffer.from('x')), { createOnly }))).toBe('storage_bad_key');
  });

  it('T2: a folder that is not there is refused, and not made', async () => {
    const storage = new LocalStorage(path.join(folder, 'unmounted'));
    const all = [
      storage.put('a', streamOf(Buffer.from('x')), { createOnly: true }),
      storage.get('a'),
      storage.head('a'),
      storage.list('', undefined, 1),
      storage.capabilities(),
    ];
    expect(await Promise.all(all.map(outcome))).toEqual(Array.from({ length: 5 }, () => 'storage_denied'));
    expect(await readdir(folder)).not.toContain('unmounted');
  });

  it('T6: a lock, a class or a version is refused where there are none', async () => {
    const storage = new LocalStorage(folder);
    const lock = { mode: 'governance' as const, until: new Date(Date.now() + 60_000) };
    expect(await outcome(storage.put('a', streamOf(Buffer.from('x')), { createOnly: true, lock }))).toBe('storage_unsupported');
    expect(await outcome(storage.put('a', streamOf(Buffer.from('x')), { createOnly: true, storageClass: 'GLACIER' }))).toBe(
      'storage_unsupported',
    );
    expect(await outcome(storage.delete('a', '1'))).toBe('storage_unsupported');
  });

  it('T2: a put that died halfway shows nothing, and is swept once it is old', async () => {
    const storage = new LocalStorage(folder);
    await storage.put('alive', streamOf(Buffer.from('x')), { createOnly: true });
    const endless = Readable.from(
      (async function* () {
        yield Buffer.alloc(100_000);
        yield Buffer.alloc(100_000);
        await new Promise(() => undefined);
      })(),
    );
    void outcome(storage.put('dying', endless, { createOnly: true }));
    while ((await files('incoming')).length === 0) await new Promise((resolve) => setImmediate(resolve));
    expect((await storage.list('', undefined, 10)).items.map(({ key }) => key)).toEqual(['alive']);
    expect(await storage.sweep(new Date(Date.now() - 60_000))).toBe(0);
    // As after a crash between the facts and the object.
    const orphan = path.join(folder, 'facts', '00', '0'.repeat(64));
    await mkdir(orphan, { recursive: true });
    await writeFile(path.join(orphan, '1.json'), JSON.stringify({ key: 'never', sha256: '', metadata: {} }));
    expect(await storage.sweep(new Date(Date.now() + 60_000))).toBe(2);
    expect([await files('incoming'), await storage.head('alive')]).toMatchObject([[], { bytes: 1, metadata: {} }]);
    endless.destroy();
  });
});

describeWithTinyDisk('a disk that is full', (folder) => {
  it('T2: a put that does not fit is unavailable, leaves nothing behind, and what fits is stored', async () => {
    const storage = new LocalStorage(folder());
    for (let round = 0; round < 3; round += 1)
      expect(await outcome(storage.put('big', generated(8 * 1024 * 1024), { createOnly: true }))).toBe('storage_unavailable');
    expect((await storage.list('', undefined, 10)).items).toEqual([]);
    await storage.put('small', generated(2 * 1024 * 1024), { createOnly: true });
    expect((await buffer((await storage.get('small')).stream)).length).toBe(2 * 1024 * 1024);
  });
});

/** In a file system of 4 MiB; without the right to mount one, a loud skip. */
function describeWithTinyDisk(name: string, tests: (folder: () => string) => void): void {
  const folder = mkdtempSync(path.join(tmpdir(), 'cadastre-disk-'));
  const run = (program: string, ...options: string[]): unknown =>
    execFileSync(programPath(program) ?? program, options, { stdio: 'ignore' });
  const mount = (): unknown => run('mount', '-t', 'tmpfs', '-o', 'size=4m', 'cadastre-test', folder);
  const tryMount = (): boolean => {
    try {
      mount();
      run('umount', folder);
      return true;
    } catch {
      console.warn('\n*** SKIPPED: no tiny disk can be mounted on this machine ***\n');
      return false;
    } finally {
      rmdirSync(folder);
    }
  };
  (tryMount() ? describe : describe.skip)(name, () => {
    beforeAll(() => {
      mkdirSync(folder);
      mount();
    });

    afterAll(() => {
      run('umount', folder);
      rmdirSync(folder);
    });

    tests(() => folder);
  });
}
