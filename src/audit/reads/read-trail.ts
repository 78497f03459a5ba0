import { Injectable } from '@nestjs/common';
import { Settings } from '../../platform/settings/settings.js';
import { type ReadKind } from '../catalogue/read-routes.js';
import { type AuditEvent } from '../trail/audit-event.js';
import { AuditTrail } from '../trail/audit-trail.js';
import { ReadBuffer } from './read-buffer.js';
import { type ReadPolicy, readSettings } from './read-policies.js';

/** Writes reads as the policy of their kind says. */
@Injectable()
export class ReadTrail {
  constructor(
    private readonly settings: Settings,
    private readonly trail: AuditTrail,
    private readonly buffer: ReadBuffer,
  ) {}

  policyOf(kind: ReadKind): ReadPolicy {
    return this.settings.get(readSettings[kind]);
  }

  /** The event's id; undefined when the policy is `off`. Throws `audit_unavailable`, but not when the policy is `batched`. */
  async record(kind: ReadKind, event: () => Omit<AuditEvent, 'category'>): Promise<string | undefined> {
    const policy = this.policyOf(kind);
    if (policy === 'off') return undefined;
    try {
      // A person's key may have to be asked of the database.
      const draft = await this.trail.draft({ ...event(), category: 'reads' });
      if (policy === 'durable') await this.buffer.durable(draft);
      else this.buffer.batched(draft);
      return draft.id;
    } catch (error) {
      if (policy === 'durable') throw error;
      this.buffer.missed(error);
      return undefined;
    }
  }
}
