import { hashOfSecret, isSecret, newSecret } from '../../platform/crypto/bearer-secret.js';
import { Injectable } from '@nestjs/common';
import { SecretBox } from '../../platform/crypto/secret-box.js';
import { UnitOfWork } from '../../platform/database/unit-of-work.js';
import { type Vouched } from './provider.js';

/** A browser that left to sign in. */
export interface Pending {
  /** Who links an identity; null for a sign-in. */
  userId: string | null;
  bindingHash: Buffer;
  kept: Record<string, string>;
  returnTo: string;
}

/** A browser that came back, and what its provider said. */
export interface Returned {
  providerId: string;
  userId: string | null;
  bindingHash: Buffer;
  vouched: Vouched;
}

/** Sign-ins under way. What only their browser knows is kept as a hash, what only we need is sealed; both are good for one use. */
@Injectable()
export class RedirectsRepository {
  constructor(
    private readonly work: UnitOfWork,
    private readonly box: SecretBox,
  ) {}

  async insert(providerId: string, state: string, { userId, bindingHash, kept, returnTo }: Pending): Promise<void> {
    await this.work.run(async () => {
      // Swept here: whoever makes rows pays for it, and there are never more than ten minutes' worth.
      for (const table of ['sign_in_redirects', 'sign_in_codes', 'provider_messages'])
        await this.work.queryInside(`DELETE FROM ${table} WHERE expires_at < now()`);
      const hash = hashOfSecret(state);
      await this.work.queryInside(
        `INSERT INTO sign_in_redirects (state_hash, provider_id, user_id, binding_hash, sealed, return_to) VALUES ($1, $2, $3, $4, $5, $6)`,
        [hash, providerId, userId, bindingHash, this.box.seal(JSON.stringify(kept), purpose('redirect', hash)), returnTo],
      );
    });
  }

  /** Undefined when it is unknown, expired or taken. */
  async take(providerId: string, state: string): Promise<Pending | undefined> {
    if (!isSecret(state)) return undefined;
    const hash = hashOfSecret(state);
    const [row] = await this.work.query<Omit<Pending, 'kept'> & { sealed: Buffer }>(
      `DELETE FROM sign_in_redirects WHERE state_hash = $1 AND provider_id = $2 AND expires_at > now()
       RETURNING user_id AS "userId", binding_hash AS "bindingHash", sealed, return_to AS "returnTo"`,
      [hash, providerId],
    );
    if (!row) return undefined;
    const { sealed, ...pending } = row;
    return { ...pending, kept: JSON.parse(this.box.open(sealed, purpose('redirect', hash))) as Record<string, string> };
  }

  /** A code for what a provider said, to be collected within a minute. */
  async insertCode({ providerId, userId, bindingHash, vouched }: Returned): Promise<string> {
    const code = newSecret();
    const hash = hashOfSecret(code);
    await this.work.query('INSERT INTO sign_in_codes (code_hash, provider_id, user_id, binding_hash, sealed) VALUES ($1, $2, $3, $4, $5)', [
      hash,
      providerId,
      userId,
      bindingHash,
      this.box.seal(JSON.stringify(vouched), purpose('code', hash)),
    ]);
    return code;
  }

  /** Undefined when it is unknown, expired or taken. */
  async takeCode(code: string): Promise<Returned | undefined> {
    if (!isSecret(code)) return undefined;
    const hash = hashOfSecret(code);
    const [row] = await this.work.query<Omit<Returned, 'vouched'> & { sealed: Buffer }>(
      `DELETE FROM sign_in_codes WHERE code_hash = $1 AND expires_at > now()
       RETURNING provider_id AS "providerId", user_id AS "userId", binding_hash AS "bindingHash", sealed`,
      [hash],
    );
    if (!row) return undefined;
    const { sealed, ...returned } = row;
    return { ...returned, vouched: JSON.parse(this.box.open(sealed, purpose('code', hash))) as Vouched };
  }
}

function purpose(what: string, hash: Buffer): string {
  return `sign-in ${what} ${hash.toString('hex')}`;
}
