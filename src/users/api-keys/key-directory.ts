import { Injectable } from '@nestjs/common';
import { type NetworkGrant, type NetworkScope, type Principal } from '../../platform/context/request-context.js';
import { UnitOfWork } from '../../platform/database/unit-of-work.js';
import { BriefMemory } from '../brief-memory.js';
import { type Assignment, ASSIGNMENTS, effectiveRights } from '../roles/effective-rights.js';
import { asksSecondFactor } from '../sessions/session-life.js';
import { type KeyKind } from './key-format.js';
import { type Granted, type Rights, rightsOfKey } from './key-rights.js';
import { type KeyState } from './key.js';
import { STATE } from './keys.repository.js';
import { intersection } from '../roles/network-scopes.js';

interface Row {
  id: string;
  handle: string;
  kind: KeyKind;
  name: string;
  pepperKid: string | null;
  digest: Buffer | null;
  state: KeyState;
  secondsLeft: number;
  addressRanges: string[] | null;
  allowedOrigins: string[] | null;
  permissions: string[];
  vrfIds: string[] | null;
  networks: string[] | null;
  projectGrants: NetworkGrant[] | null;
  ownerId: string;
  ownerActive: boolean;
  mustChangePassword: boolean;
  lacksSecondFactor: boolean;
  assignments: Assignment[];
  revokedTokens: string[];
}

/** A key as the check of credentials needs it. */
export interface KeyRecord extends Pick<
  Row,
  'id' | 'handle' | 'kind' | 'name' | 'state' | 'addressRanges' | 'allowedOrigins' | 'ownerId' | 'ownerActive'
> {
  secret: { pepperKid: string; digest: Buffer } | undefined;
  /** By the monotonic clock: when what the database called live is over. */
  endsAt: number;
  granted: Granted;
  /** What its owner holds; undefined where that does not count. */
  source: Rights | undefined;
  revokedTokens: ReadonlySet<string>;
  principal: Principal;
}

const HAS_SECOND_FACTOR = `
  (EXISTS (SELECT FROM totp_secrets f WHERE f.user_id = u.id AND f.confirmed_at IS NOT NULL) OR EXISTS (SELECT FROM passkeys f WHERE f.user_id = u.id))`;
const BY_HANDLE = `
  SELECT k.id, k.handle, k.kind, k.name, k.pepper_kid AS "pepperKid", k.digest, ${STATE} AS state,
         extract(epoch FROM least(k.expires_at, k.grace_until) - now())::float8 AS "secondsLeft",
         k.address_ranges::text[] AS "addressRanges", k.allowed_origins AS "allowedOrigins", k.permissions, k.vrf_ids AS "vrfIds",
         k.networks::text[] AS networks, u.id AS "ownerId", u.active AS "ownerActive", u.must_change_password AS "mustChangePassword",
         ${asksSecondFactor('u.id')} AND NOT ${HAS_SECOND_FACTOR} AS "lacksSecondFactor", ${ASSIGNMENTS} AS assignments,
         CASE WHEN k.project_id IS NOT NULL THEN
           (SELECT coalesce(json_agg(json_build_object('vrfIds', ARRAY[g.vrf_id], 'networks', g.networks)), '[]')
              FROM (SELECT p.vrf_id, array_agg(p.network::text) AS networks
                      FROM project_pools pp JOIN public.pools p ON p.id = pp.pool_id
                     WHERE pp.project_id = k.project_id GROUP BY p.vrf_id) g) END AS "projectGrants",
         ARRAY (SELECT t.id FROM tenant_tokens t WHERE t.key_id = k.id AND t.revoked_at IS NOT NULL AND t.expires_at > now()) AS "revokedTokens"
    FROM api_keys k JOIN users u ON u.id = k.owner_id
   WHERE k.handle = $1`;

/** Keys by what they say of themselves, read from the database at most once a second and key. */
@Injectable()
export class KeyDirectory {
  private readonly memory = new BriefMemory<KeyRecord>();

  private readonly records = new WeakMap<Principal, KeyRecord>();

  constructor(private readonly work: UnitOfWork) {}

  /** The key whose principal this is. */
  recordOf(principal: Principal): KeyRecord | undefined {
    return this.records.get(principal);
  }

  find(handle: string): Promise<KeyRecord | undefined> {
    return this.memory.recall(handle, () => this.read(handle));
  }

  forget(keyId: string): void {
    this.memory.forgetWhere(({ id }) => id === keyId);
  }

  forgetAll(): void {
    this.memory.clear();
  }

  private async read(handle: string): Promise<KeyRecord | undefined> {
    const askedAt = performance.now();
    const [row] = await this.work.query<Row>(BY_HANDLE, [handle]);
    if (!row) return undefined;
    const { id, kind, name, state, addressRanges, allowedOrigins, ownerId, ownerActive } = row;
    const granted = { permissions: row.permissions, limits: limitsOf(row) };
    const source = kind === 'admin' ? undefined : sourceOf(row);
    const record: KeyRecord = {
      ...{ id, handle, kind, name, state, addressRanges, allowedOrigins, ownerId, ownerActive, granted, source },
      secret: row.digest && row.pepperKid !== null ? { digest: row.digest, pepperKid: row.pepperKid } : undefined,
      endsAt: askedAt + row.secondsLeft * 1000,
      revokedTokens: new Set(row.revokedTokens),
      principal: {
        ...{ kind: 'api_key', id, name, ownerId, ...rightsOfKey(granted, source) },
        limitClass: kind === 'public' ? 'public_key' : 'key',
      },
    };
    this.records.set(record.principal, record);
    return record;
  }
}

/**
 * Nothing but a new password is permitted to whoever must change theirs, and nothing but setting up a second factor to whoever has to have one: so
 * nothing to their own keys. Other kinds serve accounts nobody signs in to.
 */
function sourceOf({ kind, assignments, mustChangePassword, lacksSecondFactor }: Row): Rights {
  return kind === 'owner' && (mustChangePassword || lacksSecondFactor) ? { permissions: new Set() } : effectiveRights(assignments);
}

/** The key's own limits, and the pools of its project. */
function limitsOf({ vrfIds, networks, projectGrants }: Row): NetworkScope | undefined {
  const own = (vrfIds ?? networks) ? [{ vrfIds, networks }] : undefined;
  return own && projectGrants ? intersection(own, projectGrants) : (own ?? projectGrants ?? undefined);
}
