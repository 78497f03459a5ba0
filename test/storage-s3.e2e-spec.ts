import { randomBytes } from 'node:crypto';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { inspect } from 'node:util';
import { SystemClock } from '../src/kernel/clock.js';
import { Outbound } from '../src/platform/outbound/outbound.js';
import { Resolver } from '../src/platform/outbound/resolver.js';
import { type S3Config } from '../src/platform/storage/s3/s3-config.js';
import { S3Client } from '../src/platform/storage/s3/s3-client.js';
import { S3Storage } from '../src/platform/storage/s3/s3-storage.js';
import { StorageRegistry } from '../src/platform/storage/storage-registry.js';
import { Settings } from '../src/platform/settings/settings.js';
import { type Ceph, CEPH_PROGRAMS, S3_DOMAIN, startCeph } from './support/ceph.js';
import { eventually } from './support/eventually.js';
import { describeWith } from './support/programs.js';
import { asRole } from './support/sign-in.js';
import { generated, outcome, sha256, storageConformance, streamOf } from './support/storage-conformance.js';
import { startProxy, type TcpProxy } from './support/tcp-proxy.js';
import { startTestApp, type TestApp } from './support/test-app.js';

const MEBIBYTE = 1024 * 1024;
/** How long the store may stand still. */
const PATIENCE_MS = 1000;
const clock = new SystemClock();

/** A name server where everything is here. */
class HereResolver extends Resolver {
  resolve(): Promise<string[]> {
    return Promise.resolve(['127.0.0.1']);
  }
}

describeWith(...CEPH_PROGRAMS)('objects in a bucket', () => {
  let t: TestApp;
  let ceph: Ceph;
  let outbound: Outbound;
  let config: S3Config;

  beforeAll(async () => {
    [t, ceph] = await Promise.all([startTestApp({ CADASTRE_JOBS: 'false' }), startCeph()]);
    outbound = t.app.get(Outbound);
    config = { kind: 's3', ...ceph, region: 'us-east-1', bucket: 'objects', prefix: 'conformance', pathStyle: true };
    await client().text({ method: 'PUT' });
    await client({ bucket: 'locked' }).text({ method: 'PUT', headers: { 'x-amz-bucket-object-lock-enabled': 'true' } });
  }, 120_000);

  afterAll(async () => {
    await ceph.close();
    await t.close();
  });

  const client = (other: Partial<S3Config> = {}): S3Client => new S3Client({ ...config, ...other }, outbound, clock);
  const storageOf = (other: Partial<S3Config> = {}, out = outbound): S3Storage => new S3Storage({ ...config, ...other }, out, clock);
  const keys = async (storage: S3Storage): Promise<string[]> => (await storage.list('', undefined, 1000)).items.map(({ key }) => key);
  const uploads = async (prefix: string): Promise<number> =>
    (await client().text({ method: 'GET', query: { uploads: '', prefix } })).text.match(/<Upload>/g)?.length ?? 0;

  storageConformance(() => new StorageRegistry(outbound, clock).open(config), {
    createOnly: 'small',
    ranges: true,
    objectLock: false,
    storageClasses: ['STANDARD'],
  });

  it('T2: a large object of known length is only ever created once, by whoever comes first', async () => {
    const storage = storageOf({ prefix: 'large' });
    const bytes = randomBytes(70 * MEBIBYTE);
    const said = { bytes: bytes.length, sha256: sha256(bytes), createOnly: true };
    const outcomes = await Promise.all([0, 1].map(() => outcome(storage.put('large', streamOf(bytes), said))));
    expect(outcomes.toSorted()).toEqual(['done', 'storage_exists']);
    expect(await outcome(storage.put('large', generated(40 * MEBIBYTE), { createOnly: true }))).toBe('storage_exists');
    expect((await buffer((await storage.get('large')).stream)).equals(bytes)).toBe(true);
    expect(await uploads('large/')).toBe(0);
  }, 120_000);

  it('T2: what is below one prefix is not there below another', async () => {
    const [one, other] = [storageOf({ prefix: 'one' }), storageOf({ prefix: 'one-b' })];
    await one.put('a/b', streamOf(Buffer.from('x')), { createOnly: true });
    expect([await keys(one), await keys(other), await outcome(other.get('a/b'))]).toEqual([['a/b'], [], 'storage_not_found']);
    expect(await keys(storageOf({ prefix: undefined }))).toContain('one/a/b');
  });

  it('T2: a bucket may be in the name of the host', async () => {
    const here = new Outbound(t.app.get(Settings), new HereResolver());
    const { port } = new URL(ceph.endpoint);
    const storage = storageOf({ endpoint: `http://${S3_DOMAIN}:${port}`, pathStyle: false, prefix: 'virtual' }, here);
    await storage.put('a b/c', streamOf(Buffer.from('content')), { createOnly: true });
    expect((await buffer((await storageOf({ prefix: 'virtual' }).get('a b/c')).stream)).toString()).toBe('content');
  });

  it('T3: the store itself refuses what is not what was signed, and shows nothing of it', async () => {
    const content = Buffer.from('not what was signed');
    const body = { bytes: content.length, sha256: sha256(Buffer.from('another content..')), open: () => Readable.from(content) };
    expect(await outcome(client().text({ method: 'PUT', key: 'forged', body }))).toBe('storage_corrupt');
    expect(await outcome(storageOf().head('forged'))).toBe('storage_not_found');
  });

  it('T6: wrong credentials, a bucket that is not there and a network that is not allowed are denied, and say why', async () => {
    const everything = async (storage: S3Storage): Promise<string[]> => {
      const lock = { mode: 'governance' as const, until: new Date() };
      const big = storage.put('x', streamOf(Buffer.alloc(MEBIBYTE)), { createOnly: false });
      return Promise.all(
        [storage.put('x', streamOf(Buffer.from('x')), { createOnly: true, lock }), big, storage.get('x'), storage.head('x')]
          .concat([storage.list('', undefined, 1) as never, storage.delete('x') as never, storage.capabilities() as never])
          .map(outcome),
      );
    };
    const denied = Array.from({ length: 7 }, () => 'storage_denied');
    expect(await everything(storageOf({ secretAccessKey: 'wrong' }))).toEqual(denied);
    expect(await everything(storageOf({ accessKeyId: 'nobody' }))).toEqual(denied);
    expect(await everything(storageOf({ bucket: 'nowhere' }))).toEqual(denied);
    expect(await everything(storageOf({ endpoint: 'http://10.0.0.1' }))).toEqual(denied);
    const wrong = storageOf({ secretAccessKey: 'a-secret-of-somebody-else' });
    const error: unknown = await wrong.head('x').catch((thrown: unknown) => thrown);
    expect(inspect([error, wrong], { depth: 20, showHidden: true })).not.toContain('a-secret-of');
    expect(JSON.stringify([error, wrong])).not.toContain('a-secret-of');
  });

  it('T6: a store that is not there is unavailable, with a time to come again', async () => {
    const storage = storageOf({ endpoint: 'http://127.0.0.1:1' });
    await expect(storage.head('x')).rejects.toMatchObject({ code: 'storage_unavailable', retryAfterSeconds: 5 });
    expect(await outcome(storage.put('x', streamOf(Buffer.from('x')), { createOnly: false }))).toBe('storage_unavailable');
  });

  it('T6: an object is of the class it was given, and a class the store does not have is denied', async () => {
    const storage = storageOf({ prefix: 'classes' });
    await storage.put('a', streamOf(Buffer.from('x')), { createOnly: true, storageClass: 'STANDARD' });
    expect((await storage.head('a')).storageClass).toBe('STANDARD');
    expect(await outcome(storage.put('b', streamOf(Buffer.from('x')), { createOnly: true, storageClass: 'NO_SUCH_CLASS' }))).toBe(
      'storage_denied',
    );
  });

  it('T6: what is locked stays until its time, and each version can be told and removed', async () => {
    const storage = storageOf({ bucket: 'locked' });
    // This store does not heed If-None-Match where it keeps versions, which is why it is tried.
    expect(await storage.capabilities()).toEqual({ createOnly: 'never', ranges: true, objectLock: true, storageClasses: ['STANDARD'] });
    const lock = { mode: 'compliance' as const, until: new Date(Date.now() + 3_600_000) };
    const locked = await storage.put('evidence', streamOf(Buffer.from('kept')), { createOnly: true, lock });
    const large = await storage.put('large', generated(20 * MEBIBYTE), { createOnly: true, lock });
    for (const { version } of [locked, large]) expect(version).toEqual(expect.any(String));
    expect(await outcome(storage.delete('evidence', locked.version))).toBe('storage_denied');
    expect(await outcome(storage.delete('large', large.version))).toBe('storage_denied');
    expect((await storage.head('evidence')).version).toBe(locked.version);
    const free = await storage.put('free', streamOf(Buffer.from('x')), { createOnly: true });
    await storage.delete('free', free.version);
    expect(await outcome(storage.head('free'))).toBe('storage_not_found');
    expect(await outcome(storageOf().put('a', streamOf(Buffer.from('x')), { createOnly: true, lock }))).toBe('storage_unsupported');
  });

  describe('when the connection breaks', () => {
    let proxy: TcpProxy;
    let storage: S3Storage;

    beforeAll(async () => {
      const admin = await asRole(t, 'admin');
      await admin.put('/api/v1/settings/outbound.timeoutMs').send({ value: PATIENCE_MS }).expect(200);
      proxy = await startProxy(ceph.endpoint);
      storage = storageOf({ endpoint: proxy.url, prefix: 'faults' });
    });

    afterAll(() => proxy.close());

    /** A stream that calls `then` once that much of it was taken. */
    const interrupted = (bytes: number, at: number, then: () => void): Readable => {
      let passed = 0;
      return Readable.from(
        (async function* () {
          for await (const chunk of generated(bytes) as AsyncIterable<Buffer>) {
            yield chunk;
            if (passed < at && passed + chunk.length >= at) then();
            passed += chunk.length;
          }
        })(),
        { objectMode: false },
      );
    };

    it('T2: midway through an upload nothing of it is ever seen, and a sweep removes what is left', async () => {
      const before = new Date();
      const unknown = { createOnly: false };
      const whole = await buffer(generated(50 * MEBIBYTE));
      const known = { ...unknown, bytes: whole.length, sha256: sha256(whole) };
      for (const options of [unknown, known]) {
        const source = interrupted(whole.length, 40 * MEBIBYTE, () => {
          proxy.cut();
        });
        expect(await outcome(storage.put('cut', source, options))).toBe('storage_unavailable');
        expect(source.destroyed).toBe(true);
        proxy.restore();
        expect(await keys(storage)).toEqual([]);
      }
      expect(await uploads('faults/')).toBe(1);
      expect([await storage.sweep(before), await uploads('faults/')]).toEqual([0, 1]);
      expect([await storage.sweep(new Date(Date.now() + 60_000)), await uploads('faults/')]).toEqual([1, 0]);
    }, 60_000);

    it('T2: an upload goes on after a short interruption', async () => {
      const source = interrupted(50 * MEBIBYTE, 20 * MEBIBYTE, () => {
        proxy.cut();
        proxy.restore();
      });
      const stored = await storage.put('resumed', source, { createOnly: true });
      expect((await storageOf({ prefix: 'faults' }).head('resumed')).bytes).toBe(stored.bytes);
      await storage.delete('resumed');
    }, 60_000);

    it('T5: midway through a download the reader fails, as it does when the store stands still', async () => {
      await storage.put('read', generated(40 * MEBIBYTE), { createOnly: true });
      for (const fault of ['cut', 'hang'] as const) {
        const impatient = storageOf({ endpoint: proxy.url, prefix: 'faults' });
        const { stream } = await impatient.get('read');
        const reading = (async () => {
          for await (const chunk of stream as AsyncIterable<Buffer>) if (chunk.length > 0) proxy[fault]();
        })();
        expect(await outcome(reading)).toBe('storage_unavailable');
        proxy.restore();
      }
    }, 60_000);

    it('T5: a reader who takes their time is waited for, and so is a source', async () => {
      // Past the proxy, which drops what it still holds when the store is done.
      const direct = storageOf({ prefix: 'faults' });
      const { stream } = await direct.get('read');
      let bytes = 0;
      for await (const chunk of stream as AsyncIterable<Buffer>) {
        if (bytes === 0) await longerThanPatience();
        bytes += chunk.length;
      }
      expect(bytes).toBe(40 * MEBIBYTE);
      const whole = await buffer(generated(2 * MEBIBYTE));
      const slow = Readable.from(
        (async function* () {
          yield whole.subarray(0, MEBIBYTE);
          yield whole.subarray(MEBIBYTE, MEBIBYTE + 100);
          await longerThanPatience();
          yield whole.subarray(MEBIBYTE + 100);
        })(),
      );
      const stored = await direct.put('slow', slow, { createOnly: false, bytes: whole.length, sha256: sha256(whole) });
      expect(stored.bytes).toBe(whole.length);
    });

    async function longerThanPatience(): Promise<void> {
      const end = performance.now() + 2.5 * PATIENCE_MS;
      await eventually(() => performance.now() > end);
    }
  });
});
