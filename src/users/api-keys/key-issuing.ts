import { Injectable } from '@nestjs/common';
import { AppError } from '../../kernel/app-error.js';
import { actorName } from '../../platform/context/request-context.js';
import { KeyDigests } from './key-digests.js';
import { KeyEvents } from './key-events.js';
import { type KeyKind, newKey } from './key-format.js';
import { type IssuedKey, type KeyTerms } from './key.js';
import { KeysRepository } from './keys.repository.js';

/** Gives a new key its secret, which nobody sees a second time. */
@Injectable()
export class KeyIssuing {
  constructor(
    private readonly keys: KeysRepository,
    private readonly digests: KeyDigests,
    private readonly events: KeyEvents,
  ) {}

  /** Part of the open unit of work. Throws `key_not_live` when what it replaces has a successor already. */
  async issue(
    key: KeyTerms & { kind: KeyKind; ownerId: string; projectId: string | null; lifetimeDays: number; replaces: string | null },
  ): Promise<IssuedKey> {
    const { handle, secret, text } = newKey(key.kind);
    const id = await this.keys.insert({ ...key, handle, createdBy: actorName(), secret: this.digests.store(secret) });
    if (id === undefined) throw notLive();
    return { key: await this.events.made(id, 'key.created'), secret: text };
  }

  /** Part of the open unit of work: the secret of a key that was made without one. */
  async collect(id: string): Promise<IssuedKey> {
    const before = await this.keys.lockedById(id);
    const { secret, text } = newKey(before.kind, before.handle);
    await this.keys.issue(id, this.digests.store(secret));
    return { key: await this.events.changed(before, 'key.collected'), secret: text };
  }
}

export function notLive(): AppError {
  return AppError.conflict('key_not_live', 'The key was revoked or replaced, has expired, or was not collected yet.');
}
