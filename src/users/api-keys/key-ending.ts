import { Injectable } from '@nestjs/common';
import { AppError } from '../../kernel/app-error.js';
import { UnitOfWork } from '../../platform/database/unit-of-work.js';
import { staleVersion } from '../../platform/http/etag.js';
import { KeyDirectory } from './key-directory.js';
import { KeyEvents } from './key-events.js';
import { type Key, type RevokeReason } from './key.js';
import { KeysRepository } from './keys.repository.js';

/** Ends keys, effective here at once and on every other instance within a second. */
@Injectable()
export class KeyEnding {
  constructor(
    private readonly work: UnitOfWork,
    private readonly keys: KeysRepository,
    private readonly events: KeyEvents,
    private readonly directory: KeyDirectory,
  ) {}

  /**
   * Revokes a key, and its successor when that waits to be collected. A revoked key stays as it is. `owner` is whose it must be, if anybody's.
   * Throws `key_not_found` or `stale_version`.
   */
  async revoke(id: string, expected: number | undefined, owner?: string): Promise<void> {
    await this.work.run(async () => {
      const key = await this.keys.lockedById(id);
      if (owner !== undefined && key.ownerId !== owner) throw AppError.notFound('key', id);
      if (expected !== undefined && expected !== key.version) throw staleVersion(key.version);
      if (key.state === 'revoked') return;
      const successor = await this.keys.pendingSuccessorOf(id);
      await this.end([key, ...(successor === undefined ? [] : [await this.keys.lockedById(successor)])], 'revoked');
    });
  }

  /** Part of the open unit of work: revokes what is live of a project, and what waits to be. */
  async revokeAllOf(projectId: string): Promise<void> {
    await this.end(await this.keys.lockedLiveOf(projectId), 'project_archived');
  }

  /** Part of the open unit of work: successors that nobody collected in time. Returns how many. */
  async revokeUncollected(): Promise<number> {
    const keys = await this.keys.lockedUncollected();
    await this.end(keys, 'not_collected');
    return keys.length;
  }

  /** Once the open unit of work has committed, every key is looked up afresh. */
  forgetAll(): void {
    this.work.afterCommit(() => {
      this.directory.forgetAll();
    });
  }

  private async end(keys: readonly Key[], reason: RevokeReason): Promise<void> {
    if (keys.length === 0) return;
    await this.keys.revoke(
      keys.map(({ id }) => id),
      reason,
    );
    for (const key of keys) await this.events.changed(key, 'key.revoked');
  }
}
