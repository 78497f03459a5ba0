import { type IncomingHttpHeaders } from 'node:http';
import { AppError } from '../../../kernel/app-error.js';
import { type Capabilities } from '../object-storage.js';
import { storageExists } from '../storage-error.js';
import { type S3Client } from './s3-client.js';
import { etagOf, putOf, versionOf } from './s3-headers.js';

/** What the store calls what it made. */
export interface Made {
  etag: string;
  version?: string;
}

/** How one creator wins and no other one believes it did. */
export class OnlyNew {
  constructor(
    private readonly client: S3Client,
    private readonly capabilities: () => Promise<Capabilities>,
  ) {}

  /** The header with which the store refuses what exists; where it would not heed it, asks. Throws `storage_exists`. */
  async headers(key: string, inOneRequest: boolean): Promise<Record<string, string>> {
    const { createOnly } = await this.capabilities();
    if (createOnly === 'always' || (createOnly === 'small' && inOneRequest)) return { 'if-none-match': '*' };
    await this.check(key);
    return {};
  }

  /** Throws `storage_exists`. */
  async check(key: string): Promise<void> {
    if (await this.found(key)) throw storageExists(key);
  }

  /** What `work` made. When it was refused because its own first attempt had succeeded, whose answer was lost, that is a success. */
  async unlessOurs(key: string, put: string, work: () => Promise<Made>): Promise<Made> {
    try {
      return await work();
    } catch (error) {
      if (!(error instanceof AppError) || (error.code !== 'storage_exists' && error.code !== 'storage_not_found')) throw error;
      const found = await this.found(key);
      if (!found || putOf(found) !== put) throw error;
      return { etag: etagOf(found), ...versionOf(found) };
    }
  }

  private async found(key: string): Promise<IncomingHttpHeaders | undefined> {
    try {
      return (await this.client.text({ method: 'HEAD', key })).headers;
    } catch (error) {
      if (error instanceof AppError && error.code === 'storage_not_found') return undefined;
      throw error;
    }
  }
}
