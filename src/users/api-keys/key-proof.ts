import { Injectable } from '@nestjs/common';
import { TENANT_TOKEN_PREFIX } from '../../platform/auth/credentials.js';
import { type Principal, runInContext } from '../../platform/context/request-context.js';
import { UnitOfWork } from '../../platform/database/unit-of-work.js';
import { Log } from '../../platform/logging/log.js';
import { KeyDigests } from './key-digests.js';
import { KeyDirectory, type KeyRecord } from './key-directory.js';
import { parseKey } from './key-format.js';
import { rightsOfKey } from './key-rights.js';
import { intersection } from '../roles/network-scopes.js';
import { handleOf, verified } from './tenant-token-format.js';

export interface Proof {
  /** Whoever sent it knows the secret; whether it is good for anything is not said yet. */
  proven?: { record: KeyRecord; principal: Principal; revoked?: boolean };
  /** The key, or '' for none there is, whose secret was not right; undefined for what is no key by its text. */
  guessedAt?: string;
}

interface ProvenToken {
  principal: Principal;
  jti: string;
  /** Seconds since 1970. */
  exp: number;
}

const MOST_TOKENS = 1000;

/** Whether a credential was made by us, for one of the keys there are. */
@Injectable()
export class KeyProof {
  /** Tokens that were found good for what is remembered of their key: deriving what signed them costs more than all the rest. */
  private readonly tokens = new WeakMap<KeyRecord, Map<string, ProvenToken>>();

  constructor(
    private readonly directory: KeyDirectory,
    private readonly digests: KeyDigests,
    private readonly work: UnitOfWork,
    private readonly log: Log,
  ) {}

  /** The checksum first, which takes no query; the digest also when there is no such key, so that both take as long. */
  async of(value: string): Promise<Proof> {
    if (value.startsWith(TENANT_TOKEN_PREFIX)) return this.ofToken(value);
    const parsed = parseKey(value);
    if (!parsed) return {};
    const record = await this.directory.find(parsed.handle);
    if (!this.digests.matches(parsed.secret, record?.secret) || record?.kind !== parsed.kind) return { guessedAt: record?.id ?? '' };
    if (record.secret && this.digests.isOld(record.secret)) this.renew(record, parsed.secret);
    return { proven: { record, principal: record.principal } };
  }

  private async ofToken(token: string): Promise<Proof> {
    const handle = handleOf(token);
    if (handle === undefined) return {};
    const record = await this.directory.find(handle);
    if (record?.kind !== 'tenant') return { guessedAt: '' };
    let known = this.tokens.get(record);
    if (!known || known.size >= MOST_TOKENS) this.tokens.set(record, (known = new Map<string, ProvenToken>()));
    const proven = known.get(token) ?? this.verify(token, record);
    if (!proven || proven.exp <= Date.now() / 1000) return { guessedAt: '' };
    known.set(token, proven);
    return { proven: { record, principal: proven.principal, revoked: record.revokedTokens.has(proven.jti) } };
  }

  private verify(token: string, record: KeyRecord): ProvenToken | undefined {
    const key = record.secret && this.digests.tokenKey(record.secret);
    const claims = key && verified(token, key);
    if (!claims) return undefined;
    const limits = intersection(claims.limits, record.granted.limits ?? [{ vrfIds: null, networks: null }]);
    const permissions = claims.permissions.filter((permission) => record.granted.permissions.includes(permission));
    const rights = rightsOfKey({ permissions, limits }, record.source);
    return { principal: { ...record.principal, ...rights, kind: 'tenant_token', tokenId: claims.jti }, jti: claims.jti, exp: claims.exp };
  }

  /** Stores the digest anew under the first pepper. The request does not wait for it; a lost one is tried at the next use. */
  private renew({ id, secret: old }: KeyRecord, secret: string): void {
    const { pepperKid, digest } = this.digests.store(secret);
    void runInContext({ requestId: `pepper-${id}` }, () =>
      this.work
        .query('UPDATE api_keys SET pepper_kid = $2, digest = $3 WHERE id = $1 AND digest = $4', [id, pepperKid, digest, old?.digest])
        .then(() => {
          this.directory.forget(id);
        })
        .catch((error: unknown) => {
          this.log.warn('a key could not be stored under the first pepper', { keyId: id, error });
        }),
    );
  }
}
