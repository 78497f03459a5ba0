import { Injectable } from '@nestjs/common';
import { AppError } from '../../kernel/app-error.js';
import { UnitOfWork } from '../../platform/database/unit-of-work.js';
import { type KeyKind } from './key-format.js';
import { type Key, type KeyState, type KeyTerms, type RevokeReason, type StoredSecret } from './key.js';

export interface KeyQuery {
  ownerId?: string;
  projectId?: string;
  kind?: KeyKind;
  state?: KeyState;
  q?: string;
  limit: number;
  offset: number;
}

export interface NewKey extends KeyTerms {
  handle: string;
  kind: KeyKind;
  ownerId: string;
  projectId: string | null;
  lifetimeDays: number;
  replaces: string | null;
  createdBy: string;
  /** Absent: it is issued when it is collected. */
  secret?: StoredSecret;
}

export const STATE = `
  CASE WHEN k.revoked_at IS NOT NULL THEN 'revoked' WHEN k.issued_at IS NULL THEN 'pending' WHEN k.grace_until <= now() THEN 'replaced'
       WHEN k.expires_at <= now() THEN 'expired' WHEN k.grace_until IS NOT NULL THEN 'in_grace' ELSE 'active' END`;

const KEY = `
  k.id, k.handle, k.kind, k.name, k.last4, k.owner_id AS "ownerId", u.username AS "ownerName", k.project_id AS "projectId", k.permissions,
  k.vrf_ids AS "vrfIds", k.networks::text[] AS networks, k.address_ranges::text[] AS "addressRanges", k.allowed_origins AS "allowedOrigins",
  k.rotation_days AS "rotationDays", ${STATE} AS state, k.issued_at AS "issuedAt", k.expires_at AS "expiresAt", k.revoked_at AS "revokedAt",
  k.revoke_reason AS "revokeReason", k.replaces, k.replaced_by AS "replacedBy", k.grace_until AS "graceUntil",
  k.last_used_at AS "lastUsedAt", host(k.last_used_address) AS "lastUsedAddress", k.version, k.created_at AS "createdAt",
  k.created_by AS "createdBy", k.updated_at AS "updatedAt"`;
const FROM = 'FROM api_keys k JOIN users u ON u.id = k.owner_id';
const MATCHING = `
  ${FROM}
   WHERE ($1::uuid IS NULL OR k.owner_id = $1) AND ($2::uuid IS NULL OR k.project_id = $2) AND ($3::text IS NULL OR k.kind = $3)
     AND ($4::text IS NULL OR ${STATE} = $4)
     AND ($5::text IS NULL OR position(lower($5) IN lower(k.name)) > 0 OR k.handle = $5)`;
const TOUCH = 'version = version + 1, updated_at = now()';

@Injectable()
export class KeysRepository {
  constructor(private readonly work: UnitOfWork) {}

  /** Throws `key_not_found`. */
  async byId(id: string): Promise<Key> {
    const [key] = await this.work.query<Key>(`SELECT ${KEY} ${FROM} WHERE k.id = $1`, [id]);
    if (!key) throw AppError.notFound('key', id);
    return key;
  }

  /** Like byId, and nobody else changes the row until the unit of work ends. */
  async lockedById(id: string): Promise<Key> {
    await this.work.queryInside('SELECT FROM api_keys WHERE id = $1 FOR NO KEY UPDATE', [id]);
    return this.byId(id);
  }

  async page(query: KeyQuery): Promise<{ items: Key[]; total: number }> {
    const where = [query.ownerId ?? null, query.projectId ?? null, query.kind ?? null, query.state ?? null, query.q ?? null];
    const items = await this.work.query<Key>(`SELECT ${KEY} ${MATCHING} ORDER BY k.created_at DESC, k.id DESC LIMIT $6 OFFSET $7`, [
      ...where,
      query.limit,
      query.offset,
    ]);
    const [count] = await this.work.query<{ total: number }>(`SELECT count(*)::int AS total ${MATCHING}`, where);
    return { items, total: count?.total ?? 0 };
  }

  /** Live keys that are old, whose period of rotation has passed, or whose end is near. */
  rotationCandidates(afterDays: number, noticeDays: number, limit: number, offset: number): Promise<Key[]> {
    return this.work.query<Key>(
      `SELECT ${KEY} ${FROM}
        WHERE k.revoked_at IS NULL AND k.expires_at > now() AND ${STATE} = 'active'
          AND (k.issued_at < now() - make_interval(days => least($1, coalesce(k.rotation_days, $1)))
               OR k.expires_at < now() + make_interval(days => $2))
        ORDER BY k.issued_at, k.id LIMIT $3 OFFSET $4`,
      [afterDays, noticeDays, limit, offset],
    );
  }

  /** Undefined when the key it replaces has a successor already. */
  async insert(key: NewKey): Promise<string | undefined> {
    const [row] = await this.work.query<{ id: string }>(
      `INSERT INTO api_keys (handle, kind, name, owner_id, project_id, permissions, vrf_ids, networks, address_ranges, allowed_origins,
                             rotation_days, expires_at, replaces, created_by, pepper_kid, digest, last4, issued_at)
       VALUES ($1, $2, $3, $4, $5, $6, $7, $8::text[]::cidr[], $9::text[]::cidr[], $10, $11, now() + make_interval(secs => $12 * 86400.0), $13, $14,
               $15, $16, $17, CASE WHEN $16::bytea IS NOT NULL THEN now() END)
       ON CONFLICT (replaces) WHERE revoked_at IS NULL DO NOTHING
       RETURNING id`,
      [
        ...[key.handle, key.kind, key.name, key.ownerId, key.projectId, key.permissions, key.vrfIds, key.networks, key.addressRanges],
        ...[key.allowedOrigins, key.rotationDays, key.lifetimeDays, key.replaces, key.createdBy],
        ...[key.secret?.pepperKid ?? null, key.secret?.digest ?? null, key.secret?.last4 ?? null],
      ],
    );
    return row?.id;
  }

  async update(id: string, terms: KeyTerms & { expiresAt: Date }): Promise<void> {
    await this.work.query(
      `UPDATE api_keys
          SET name = $2, permissions = $3, vrf_ids = $4, networks = $5::text[]::cidr[], address_ranges = $6::text[]::cidr[],
              allowed_origins = $7, rotation_days = $8, expires_at = $9, ${TOUCH}
        WHERE id = $1`,
      [
        ...[id, terms.name, terms.permissions, terms.vrfIds, terms.networks, terms.addressRanges, terms.allowedOrigins, terms.rotationDays],
        terms.expiresAt,
      ],
    );
  }

  async revoke(ids: readonly string[], reason: RevokeReason): Promise<void> {
    await this.work.query(`UPDATE api_keys SET revoked_at = now(), revoke_reason = $2, ${TOUCH} WHERE id = ANY ($1::uuid[])`, [
      ids,
      reason,
    ]);
  }

  /** Gives a pending key its secret; from now on it has as many days as it was made for. */
  async issue(id: string, { pepperKid, digest, last4 }: StoredSecret): Promise<void> {
    await this.work.query(
      `UPDATE api_keys SET pepper_kid = $2, digest = $3, last4 = $4, issued_at = now(), expires_at = now() + (expires_at - created_at), ${TOUCH}
        WHERE id = $1`,
      [id, pepperKid, digest, last4],
    );
  }

  async replace(id: string, by: string, graceSeconds: number): Promise<void> {
    await this.work.query(`UPDATE api_keys SET replaced_by = $2, grace_until = now() + make_interval(secs => $3), ${TOUCH} WHERE id = $1`, [
      id,
      by,
      graceSeconds,
    ]);
  }

  /** The successor of a key that waits to be collected. */
  async pendingSuccessorOf(id: string): Promise<string | undefined> {
    const [row] = await this.work.query<{ id: string }>(
      'SELECT id FROM api_keys WHERE replaces = $1 AND issued_at IS NULL AND revoked_at IS NULL',
      [id],
    );
    return row?.id;
  }

  /**
   * Locks keys whose period of rotation, or `afterDays` where they have none, has passed and that have no successor yet, nor one that was
   * revoked within a period; those another process works on are left to it.
   */
  lockedDue(afterDays: number): Promise<Key[]> {
    return this.work.queryInside<Key>(
      `SELECT ${KEY} ${FROM} CROSS JOIN LATERAL (SELECT now() - make_interval(days => coalesce(k.rotation_days, $1)) AS before) due
        WHERE ${STATE} = 'active' AND k.issued_at <= due.before
          AND NOT EXISTS (SELECT FROM api_keys s WHERE s.replaces = k.id AND (s.revoked_at IS NULL OR s.revoked_at > due.before))
        ORDER BY k.id FOR NO KEY UPDATE OF k SKIP LOCKED`,
      [afterDays],
    );
  }

  /** Locks successors that nobody collected while what they replace was good. */
  lockedUncollected(): Promise<Key[]> {
    return this.work.queryInside<Key>(
      `SELECT ${KEY} ${FROM} JOIN api_keys o ON o.id = k.replaces
        WHERE k.issued_at IS NULL AND k.revoked_at IS NULL AND (o.revoked_at IS NOT NULL OR o.expires_at <= now())
        ORDER BY k.id FOR NO KEY UPDATE OF k`,
    );
  }

  /** Locks the live and pending keys of a project, in the order of their ids, and returns them. */
  async lockedLiveOf(projectId: string): Promise<Key[]> {
    await this.work.queryInside('SELECT FROM api_keys WHERE project_id = $1 AND revoked_at IS NULL ORDER BY id FOR NO KEY UPDATE', [
      projectId,
    ]);
    return this.work.query<Key>(
      `SELECT ${KEY} ${FROM} WHERE k.project_id = $1 AND ${STATE} IN ('pending', 'active', 'in_grace') ORDER BY k.id`,
      [projectId],
    );
  }
}
