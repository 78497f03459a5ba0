import { Injectable } from '@nestjs/common';
import { badCursor, cursorOf, keyOf } from '../../platform/http/cursor.js';
import { SealingRepository, type StoredCheckpoint, type StoredKey } from '../sealing/sealing.repository.js';
import { type AuditClass, auditClasses } from '../trail/audit-event.js';

/** What the log says of itself: no event in the trail, since nothing of what anybody did is in it. */
@Injectable()
export class CheckpointsService {
  constructor(private readonly sealed: SealingRepository) {}

  async list(name: AuditClass, after: string | undefined, limit: number): Promise<{ items: StoredCheckpoint[]; next: string | null }> {
    const items = await this.sealed.checkpointsBefore(auditClasses[name], numberOf(after), limit + 1);
    const last = items.length > limit ? items[limit - 1] : undefined;
    return { items: items.slice(0, limit), next: last ? cursorOf([String(last.number)]) : null };
  }

  async keys(): Promise<{ installation: string; keys: StoredKey[] }> {
    return { installation: await this.sealed.installation(), keys: await this.sealed.keys() };
  }
}

function numberOf(cursor: string | undefined): number {
  if (cursor === undefined) return Number.MAX_SAFE_INTEGER;
  const [number = ''] = keyOf(cursor, 1);
  // A forged cursor is answered like one that cannot be read.
  if (!/^\d{1,15}$/.test(number)) throw badCursor();
  return Number(number);
}
