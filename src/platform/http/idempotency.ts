import { createHash } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { AppError } from '../../kernel/app-error.js';
import { canonicalJson, type Json, toJson } from '../../kernel/canonical-json.js';
import { currentContext } from '../context/request-context.js';
import { UnitOfWork } from '../database/unit-of-work.js';

interface Remembered {
  request_hash: Buffer;
  body: string;
}

const KEY_FORM = /^[\x21-\x7e]{1,255}$/;

/**
 * Answers a repeated request with the first one's answer (draft-ietf-httpapi-idempotency-key-header). The key is claimed in the
 * transaction that does the work: a request that failed has claimed nothing, and a second one that comes while the first still runs waits for it.
 */
@Injectable()
export class Idempotency {
  constructor(private readonly work: UnitOfWork) {}

  /** Without a key, just does the work. Throws `idempotency_key_reused` when the key came with another request before. */
  async once<T extends object>(key: string | undefined, request: unknown, work: () => Promise<T>): Promise<T> {
    if (key === undefined) return work();
    if (!KEY_FORM.test(key))
      throw new AppError('unparsable', 'bad_idempotency_key', 'Idempotency-Key must be 1 to 255 visible ASCII characters.');
    const context = currentContext();
    const owner = context?.principal?.id ?? 'anonymous';
    const hash = createHash('sha256')
      .update(`${context?.method ?? ''} ${context?.route ?? ''} ${canonicalJson(toJson(request))}`)
      .digest();
    return this.work.run(async () => {
      const claimed = await this.work.query(
        `INSERT INTO idempotency_keys (principal_id, key, request_hash) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING RETURNING key`,
        [owner, key, hash],
      );
      if (claimed.length === 0) return this.remembered<T>(owner, key, hash);
      const answer = await work();
      await this.work.query('UPDATE idempotency_keys SET body = $3 WHERE principal_id = $1 AND key = $2', [
        owner,
        key,
        JSON.stringify(toJson(answer)),
      ]);
      return answer;
    });
  }

  private async remembered<T>(owner: string, key: string, hash: Buffer): Promise<T> {
    const [row] = await this.work.query<Remembered & { body: string }>(
      'SELECT request_hash, body FROM idempotency_keys WHERE principal_id = $1 AND key = $2',
      [owner, key],
    );
    if (!row?.request_hash.equals(hash))
      throw new AppError('unprocessable', 'idempotency_key_reused', 'This Idempotency-Key came with another request before.');
    return JSON.parse(row.body) as T & Json;
  }
}
