import { randomUUID } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { AuditTrail } from '../../audit/trail/audit-trail.js';
import { AppError } from '../../kernel/app-error.js';
import { currentContext, type NetworkScope, type Principal } from '../../platform/context/request-context.js';
import { UnitOfWork } from '../../platform/database/unit-of-work.js';
import { KeyDigests } from './key-digests.js';
import { KeyDirectory, type KeyRecord } from './key-directory.js';
import { intersection, isWithin } from '../roles/network-scopes.js';
import { type CreateTenantToken, type TokenPreset } from './tenant-token.dto.js';
import { sign } from './tenant-token-format.js';

export interface TenantToken {
  id: string;
  token: string;
  expiresAt: Date;
  permissions: string[];
}

const PRESETS: Record<TokenPreset, { permissions: readonly string[]; named: boolean }> = {
  read: { permissions: ['vrf:read', 'pool:read', 'allocation:read', 'search:read', 'ipam:export'], named: false },
  limited: { permissions: ['vrf:read', 'pool:read', 'allocation:read', 'search:read', 'ipam:export'], named: true },
  restricted: { permissions: ['vrf:read', 'pool:read'], named: true },
};

/** Tokens that a tenant's key derives for those it serves: narrower than itself, good for a day at most, gone with it. */
@Injectable()
export class TenantTokens {
  constructor(
    private readonly work: UnitOfWork,
    private readonly directory: KeyDirectory,
    private readonly digests: KeyDigests,
    private readonly audit: AuditTrail,
  ) {}

  /** Throws `tenant_key_required`, `wider_than_key` or `limits_required`. */
  issue(asked: CreateTenantToken): Promise<TenantToken> {
    return this.work.run(async () => {
      const principal = currentContext()?.principal;
      const record = principal && this.directory.recordOf(principal);
      const key = record?.secret && this.digests.tokenKey(record.secret);
      if (record?.kind !== 'tenant' || !key) throw new AppError('forbidden', 'tenant_key_required', 'Only a tenant’s key derives tokens.');
      const permissions = permissionsOf(asked, record);
      const limits = limitsOf(asked, record);
      const id = randomUUID();
      const ttl = Math.min(asked.ttlSeconds, Math.max(1, Math.floor((record.endsAt - performance.now()) / 1000)));
      const [row] = await this.work.query<{ expiresAt: Date }>(
        `INSERT INTO tenant_tokens (id, key_id, expires_at) VALUES ($1, $2, now() + make_interval(secs => $3)) RETURNING expires_at AS "expiresAt"`,
        [id, record.id, ttl],
      );
      await this.audit.record({
        action: 'tenant_token.issued',
        category: 'access',
        resource: { type: 'tenant_token', id },
        after: { permissions, limits, expiresAt: row?.expiresAt },
      });
      const token = sign({ jti: id, permissions, limits }, key, record.handle, ttl);
      return { id, token, expiresAt: row?.expiresAt ?? new Date(0), permissions };
    });
  }

  /**
   * In force here at once, elsewhere within a second. For the key that derived it, the account the key acts for, and whoever administers keys;
   * for others it is not there. Throws `tenant_token_not_found`.
   */
  async revoke(id: string): Promise<void> {
    await this.work.run(async () => {
      const principal = currentContext()?.principal;
      const [token] = await this.work.queryInside<{ keyId: string; ownerId: string; revokedAt: Date | null }>(
        `SELECT t.key_id AS "keyId", k.owner_id AS "ownerId", t.revoked_at AS "revokedAt"
           FROM tenant_tokens t JOIN api_keys k ON k.id = t.key_id WHERE t.id = $1 FOR NO KEY UPDATE OF t`,
        [id],
      );
      if (!token || !mayRevoke(principal, token)) throw AppError.notFound('tenant_token', id);
      if (token.revokedAt) return;
      await this.work.query('UPDATE tenant_tokens SET revoked_at = now() WHERE id = $1', [id]);
      await this.audit.record({
        action: 'tenant_token.revoked',
        category: 'access',
        resource: { type: 'tenant_token', id },
        detail: { keyId: token.keyId },
      });
      this.work.afterCommit(() => {
        this.directory.forget(token.keyId);
      });
    });
  }
}

function mayRevoke(principal: Principal | undefined, { keyId, ownerId }: { keyId: string; ownerId: string }): boolean {
  if (principal?.kind === 'api_key') return principal.id === keyId;
  return principal?.kind === 'user' && (principal.id === ownerId || principal.permissions.has('key:write'));
}

function permissionsOf({ preset, permissions }: CreateTenantToken, { granted }: KeyRecord): string[] {
  const beyond = permissions?.findIndex((permission) => !granted.permissions.includes(permission)) ?? -1;
  if (beyond >= 0) throw AppError.field(`/permissions/${beyond}`, 'wider_than_key', 'The key may not do this itself.');
  const wanted = permissions ?? granted.permissions;
  return preset ? wanted.filter((permission) => PRESETS[preset].permissions.includes(permission)) : [...wanted];
}

function limitsOf({ preset, vrfIds = null, networks = null }: CreateTenantToken, { granted }: KeyRecord): NetworkScope {
  const everything: NetworkScope = granted.limits ?? [{ vrfIds: null, networks: null }];
  const named = vrfIds !== null || networks !== null;
  if (preset && PRESETS[preset].named && !named)
    throw AppError.field('/networks', 'limits_required', 'Such a token is limited to networks or VRFs that you name.');
  if (!named) return everything;
  // What is not named of the one kind is the key's own.
  const inside = intersection([{ vrfIds, networks }], everything);
  const asked: NetworkScope = [{ vrfIds: vrfIds ?? unique(inside, 'vrfIds'), networks: networks ?? unique(inside, 'networks') }];
  if (inside.length === 0 || !isWithin(asked, everything))
    throw AppError.field(networks ? '/networks' : '/vrfIds', 'wider_than_key', 'The key does not reach there itself.');
  return inside;
}

function unique(scope: NetworkScope, of: 'vrfIds' | 'networks'): string[] | null {
  if (scope.some((grant) => grant[of] === null)) return null;
  return [...new Set(scope.flatMap((grant) => grant[of] ?? []))];
}
