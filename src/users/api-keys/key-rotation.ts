import { Injectable } from '@nestjs/common';
import { AppError } from '../../kernel/app-error.js';
import { UnitOfWork } from '../../platform/database/unit-of-work.js';
import { KeyEvents } from './key-events.js';
import { newHandle } from './key-format.js';
import { KeyIssuing, notLive } from './key-issuing.js';
import { KeySettings } from './key-settings.js';
import { type IssuedKey } from './key.js';
import { KeysRepository } from './keys.repository.js';
import { RotationRules } from './rotation-rules.js';

/** Puts a new secret in the place of an old one, which stays good for a while: who uses it has time to change. */
@Injectable()
export class KeyRotation {
  constructor(
    private readonly work: UnitOfWork,
    private readonly keys: KeysRepository,
    private readonly rules: RotationRules,
    private readonly issuing: KeyIssuing,
    private readonly events: KeyEvents,
    private readonly settings: KeySettings,
  ) {}

  /**
   * The successor has what the old key has; the old one dies when the grace is over. `owner` is the caller when it is a key of their own.
   * Throws `key_not_found`, `key_not_live`, `project_archived`, `not_your_key`, or what KeyGrants.require() throws.
   */
  rotate(id: string, graceSeconds: number | undefined, owner?: string): Promise<IssuedKey> {
    return this.work.run(async () => {
      const seen = await this.keys.byId(id);
      if (owner !== undefined && seen.ownerId !== owner) throw AppError.notFound('key', id);
      // The project before the key, as archiving locks them.
      await this.rules.open(seen, owner);
      const old = await this.keys.lockedById(id);
      if (old.state !== 'active') throw notLive();
      await this.rules.require(old);
      const pending = await this.keys.pendingSuccessorOf(id);
      const issued =
        pending === undefined
          ? await this.issuing.issue({ ...old, lifetimeDays: this.rules.lifetimeAfter(old), replaces: id })
          : await this.issuing.collect(pending);
      await this.keys.replace(id, issued.key.id, this.rules.grace(graceSeconds));
      await this.events.changed(old, 'key.rotated');
      return issued;
    });
  }

  /** The secret of a successor that the schedule made, for its owner, once. Throws `key_not_pending`, or what rotate() throws. */
  collect(id: string, owner: string): Promise<IssuedKey> {
    return this.work.run(async () => {
      const key = await this.keys.byId(id);
      if (key.ownerId !== owner) throw AppError.notFound('key', id);
      if (key.state !== 'pending' || key.replaces === null)
        throw AppError.conflict('key_not_pending', 'Nothing waits to be collected here: the secret was given out, or the key has ended.');
      return this.rotate(key.replaces, undefined, owner);
    });
  }

  /** Part of the open unit of work: successors, without a secret yet, of the keys that are old enough. Returns how many. */
  async prepareDue(): Promise<number> {
    let prepared = 0;
    for (const old of await this.keys.lockedDue(this.settings.rotateAfterDays)) {
      const successor = { ...old, handle: newHandle(), lifetimeDays: this.rules.lifetimeAfter(old), replaces: old.id, createdBy: 'system' };
      const id = await this.keys.insert(successor);
      if (id === undefined) continue;
      await this.events.made(id, 'key.rotation_prepared');
      prepared++;
    }
    return prepared;
  }
}
