import { randomUUID } from 'node:crypto';
import { type ObjectLock, type PutOptions } from '../object-storage.js';
import { storageUnavailable } from '../storage-error.js';
import { type Part } from './collected.js';
import { type Made, type OnlyNew } from './only-new.js';
import { element, elements, xmlText } from './s3-answer.js';
import { bodyOf, isComplete, type S3Client } from './s3-client.js';
import { etagOf, headersOf, versionOf } from './s3-headers.js';

/** How long a store may put parts together in silence. */
const COMPLETING_MS = 120_000;

/** Objects that are sent in parts, which nobody sees before they are put together. */
export class S3Multipart {
  constructor(
    private readonly client: S3Client,
    private readonly storageClass: string | undefined,
    private readonly onlyNew: OnlyNew,
  ) {}

  async put(key: string, parts: AsyncIterable<Part>, options: PutOptions): Promise<Made> {
    // Now, since nothing refuses it before all of it was sent.
    if (options.createOnly) await this.onlyNew.check(key);
    const put = randomUUID();
    const headers = headersOf(options, this.storageClass, put, options.sha256);
    const { text } = await this.client.text({ method: 'POST', key, query: { uploads: '' }, headers });
    const uploadId = element(text, 'UploadId');
    try {
      const etags: string[] = [];
      for await (const part of parts) etags.push(await this.part(key, uploadId, etags.length + 1, part));
      const made = await this.complete(key, uploadId, etags, put, options);
      if (options.lock) await this.lock(key, made, options.lock);
      return made;
    } catch (error) {
      // What it failed with matters more; the sweep comes by again.
      await this.abort(key, uploadId).catch(() => undefined);
      throw error;
    }
  }

  /** Aborts uploads that began before then. Their parts cost like objects, and nobody sees them. */
  async sweep(before: Date): Promise<number> {
    let swept = 0;
    let marker: Record<string, string> = {};
    for (;;) {
      const { text } = await this.client.text({ method: 'GET', query: { uploads: '', prefix: this.client.prefix, ...marker } });
      for (const upload of elements(text, 'Upload')) {
        if (new Date(element(upload, 'Initiated')) >= before) continue;
        await this.abort(element(upload, 'Key').slice(this.client.prefix.length), element(upload, 'UploadId'));
        swept += 1;
      }
      if (element(text, 'IsTruncated') !== 'true') return swept;
      marker = { 'key-marker': element(text, 'NextKeyMarker'), 'upload-id-marker': element(text, 'NextUploadIdMarker') };
    }
  }

  private async part(key: string, uploadId: string, number: number, part: Part): Promise<string> {
    const query = { partNumber: String(number), uploadId };
    const { headers } = await this.client.text({ method: 'PUT', key, query, headers: { 'content-md5': part.md5 }, body: part });
    return etagOf(headers);
  }

  private async complete(key: string, uploadId: string, etags: readonly string[], put: string, { createOnly }: PutOptions): Promise<Made> {
    const listed = etags.map((etag, i) => `<Part><PartNumber>${i + 1}</PartNumber><ETag>&quot;${xmlText(etag)}&quot;</ETag></Part>`);
    const body = bodyOf(`<CompleteMultipartUpload>${listed.join('')}</CompleteMultipartUpload>`);
    const headers = { 'content-type': 'application/xml', ...(createOnly ? await this.onlyNew.headers(key, false) : {}) };
    const request = { method: 'POST', key, query: { uploadId }, headers, body, idleMs: COMPLETING_MS } as const;
    return this.onlyNew.unlessOurs(key, put, async () => {
      const answer = await this.client.text(request);
      if (!isComplete(answer.text)) throw storageUnavailable(`The store did not put ${key} together.`, 5);
      return { etag: element(answer.text, 'ETag').replaceAll('"', ''), ...versionOf(answer.headers) };
    });
  }

  /** Once more: Ceph up to 16 forgets the lock that an upload began with, and says nothing. */
  private async lock(key: string, { version = '' }: Made, { mode, until }: ObjectLock): Promise<void> {
    const body = bodyOf(
      `<Retention><Mode>${mode.toUpperCase()}</Mode><RetainUntilDate>${until.toISOString()}</RetainUntilDate></Retention>`,
    );
    await this.client.text({
      method: 'PUT',
      key,
      query: { retention: '', versionId: version },
      headers: { 'content-md5': body.md5 },
      body,
    });
  }

  private async abort(key: string, uploadId: string): Promise<void> {
    await this.client.text({ method: 'DELETE', key, query: { uploadId } });
  }
}
