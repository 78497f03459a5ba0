import { Injectable } from '@nestjs/common';
import { actorName } from '../../platform/context/request-context.js';
import { UnitOfWork } from '../../platform/database/unit-of-work.js';
import { staleVersion } from '../../platform/http/etag.js';
import { type AuditEvent } from '../trail/audit-event.js';
import { AuditTrail } from '../trail/audit-trail.js';
import { type CreateRetentionPolicy, type PatchRetentionPolicy } from './retention.dto.js';
import { type RetentionPolicy, type RetentionTerms } from './retention-rule.js';
import { RetentionRepository } from './retention.repository.js';

/** A policy as it is when the fields that may be left out are. */
export function termsOf(body: CreateRetentionPolicy): RetentionTerms {
  return {
    name: body.name,
    logs: body.logs,
    resourceTypes: body.resourceTypes ?? [],
    severities: body.severities ?? [],
    regime: body.regime ?? 'none',
    reason: body.reason ?? '',
    archiveAfterDays: body.archiveAfterDays,
    deleteAfterDays: body.deleteAfterDays,
    enabled: body.enabled ?? true,
  };
}

/** How long events are kept is for administrators to say; every change of it is an event. */
@Injectable()
export class RetentionPolicies {
  constructor(
    private readonly work: UnitOfWork,
    private readonly retention: RetentionRepository,
    private readonly audit: AuditTrail,
  ) {}

  list(): Promise<RetentionPolicy[]> {
    return this.retention.policies();
  }

  /** Throws `retention_policy_not_found`. */
  get(id: string): Promise<RetentionPolicy> {
    return this.retention.policy(id);
  }

  /** Throws `retention_policy_exists`, `deleted_before_archived` or `retention_too_short`. */
  create(body: CreateRetentionPolicy): Promise<RetentionPolicy> {
    return this.work.run(async () => {
      const after = await this.retention.insert(termsOf(body), actorName());
      await this.record(after, { action: 'retention_policy.created', after });
      return after;
    });
  }

  /** Throws what create() does, `retention_policy_not_found` and `stale_version`. */
  patch(id: string, body: PatchRetentionPolicy, expected: number | undefined): Promise<RetentionPolicy> {
    return this.work.run(async () => {
      const before = await this.asExpected(id, expected);
      const wanted = withPatch(before, body);
      if (JSON.stringify(wanted) === JSON.stringify(withPatch(before, {}))) return before;
      const after = await this.retention.update(id, wanted);
      await this.record(after, { action: 'retention_policy.updated', before, after });
      return after;
    });
  }

  /** Throws `retention_policy_not_found` and `stale_version`. */
  remove(id: string, expected: number | undefined): Promise<void> {
    return this.work.run(async () => {
      const before = await this.asExpected(id, expected);
      await this.retention.remove(id);
      await this.record(before, { action: 'retention_policy.deleted', before });
    });
  }

  private async asExpected(id: string, expected: number | undefined): Promise<RetentionPolicy> {
    const before = await this.retention.locked(id);
    if (expected !== undefined && expected !== before.version) throw staleVersion(before.version);
    return before;
  }

  private record({ id, name }: RetentionPolicy, said: Pick<AuditEvent, 'action' | 'before' | 'after'>): Promise<void> {
    const resource = { type: 'retention_policy', id, name };
    return this.audit.record({ ...said, category: 'governance', severity: 'medium', resource });
  }
}

/** Undefined leaves, null is a value: never. */
function withPatch(before: RetentionPolicy, patch: PatchRetentionPolicy): RetentionTerms {
  return {
    name: patch.name ?? before.name,
    logs: patch.logs ?? before.logs,
    resourceTypes: patch.resourceTypes ?? before.resourceTypes,
    severities: patch.severities ?? before.severities,
    regime: patch.regime ?? before.regime,
    reason: patch.reason ?? before.reason,
    archiveAfterDays: patch.archiveAfterDays === undefined ? before.archiveAfterDays : patch.archiveAfterDays,
    deleteAfterDays: patch.deleteAfterDays === undefined ? before.deleteAfterDays : patch.deleteAfterDays,
    enabled: patch.enabled ?? before.enabled,
  };
}
