import { Injectable } from '@nestjs/common';
import { UnitOfWork } from '../../platform/database/unit-of-work.js';
import { staleVersion } from '../../platform/http/etag.js';
import { KeyEvents } from './key-events.js';
import { KeyGrants } from './key-grants.js';
import { notLive } from './key-issuing.js';
import { type Key, type KeyTerms } from './key.js';
import { type KeyQuery, KeysRepository } from './keys.repository.js';

export type KeyChanges = Partial<KeyTerms> & { expiresInDays?: number };

@Injectable()
export class KeysService {
  constructor(
    private readonly work: UnitOfWork,
    private readonly keys: KeysRepository,
    private readonly grants: KeyGrants,
    private readonly events: KeyEvents,
  ) {}

  list(query: KeyQuery): Promise<{ items: Key[]; total: number }> {
    return this.keys.page(query);
  }

  /** Throws `key_not_found`. */
  get(id: string): Promise<Key> {
    return this.keys.byId(id);
  }

  /**
   * Absent fields stay, null clears. Effective here at once, elsewhere within a second. What the key has afterwards must be what its maker
   * could give: throws `key_not_live`, `stale_version`, `lifetime_too_long` or what KeyGrants.require() throws.
   */
  patch(id: string, changes: KeyChanges, expected: number | undefined): Promise<Key> {
    return this.work.run(async () => {
      const before = await this.keys.lockedById(id);
      if (expected !== undefined && expected !== before.version) throw staleVersion(before.version);
      if (!['active', 'pending', 'in_grace'].includes(before.state)) throw notLive();
      const terms = termsOf(before, changes);
      if (changes.expiresInDays === undefined && JSON.stringify(terms) === JSON.stringify(termsOf(before, {}))) return before;
      const { expiresInDays } = changes;
      const days = expiresInDays === undefined ? undefined : this.grants.lifetimeOf(before.kind, expiresInDays);
      const expiresAt = days === undefined ? before.expiresAt : this.grants.endAfter(days);
      await this.grants.require(before.kind, terms, before.projectId, expiresAt);
      await this.keys.update(id, { ...terms, expiresAt });
      return this.events.changed(before, 'key.updated');
    });
  }
}

function termsOf(before: Key, changes: KeyChanges): KeyTerms {
  const pick = <T>(next: T | undefined, now: T): T => (next === undefined ? now : next);
  return {
    name: changes.name ?? before.name,
    permissions: changes.permissions ?? before.permissions,
    vrfIds: pick(changes.vrfIds, before.vrfIds),
    networks: pick(changes.networks, before.networks),
    addressRanges: pick(changes.addressRanges, before.addressRanges),
    allowedOrigins: pick(changes.allowedOrigins, before.allowedOrigins),
    rotationDays: pick(changes.rotationDays, before.rotationDays),
  };
}
