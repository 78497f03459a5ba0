import { Injectable } from '@nestjs/common';
import { AppError } from '../../kernel/app-error.js';
import { currentContext } from '../../platform/context/request-context.js';
import { UnitOfWork } from '../../platform/database/unit-of-work.js';
import { Jobs } from '../../platform/jobs/jobs.js';
import { AuditTrail } from '../trail/audit-trail.js';
import { type Erased } from './erasure-list.js';
import { ErasureRepository, type Spoken } from './erasure.repository.js';
import { type KeyHistory, SubjectKeysRepository } from './subject-keys.repository.js';
import { SubjectKeys } from './subject-keys.js';

export const FORGET = 'audit.forget-names';

/** What the trail has of one person, and what an erasure would do. */
export interface SubjectState {
  subject: string;
  active: boolean;
  held: boolean;
  keys: KeyHistory[];
  logs: Spoken[];
}

const AT_ONCE = 2000;

/** Erasure of what the trail says of a person, by destroying the keys it is encrypted with (GDPR Article 17). */
@Injectable()
export class Erasure {
  constructor(
    private readonly work: UnitOfWork,
    private readonly events: ErasureRepository,
    private readonly history: SubjectKeysRepository,
    private readonly keys: SubjectKeys,
    private readonly jobs: Jobs,
    private readonly trail: AuditTrail,
  ) {}

  /** The dry run. That somebody looked is an event. Throws `subject_not_found` for a person of whom the trail says nothing. */
  async look(subject: string): Promise<SubjectState> {
    return this.work.run(async () => {
      const state = await this.stateOf(subject);
      if (state.keys.length === 0 && countOf(state.logs) === 0) throw AppError.notFound('subject', subject);
      await this.trail.record({
        action: 'audit.read',
        category: 'access',
        resource: { type: 'audit_subject', id: subject },
        detail: { question: 'subject', count: countOf(state.logs) },
      });
      return state;
    });
  }

  /**
   * Destroys every key of the person at once; a job then empties what the events were found by. Throws `subject_held`, `subject_active`, and
   * `subject_not_found` when there is no key to destroy.
   */
  async erase(subject: string, reason: string): Promise<SubjectState> {
    return this.work.run(async () => {
      const before = await this.stateOf(subject);
      if (before.held)
        throw AppError.conflict('subject_held', `Events of ${subject} are under a legal hold: GDPR Article 17(3)(b) and (e).`);
      if (before.active)
        throw AppError.conflict('subject_active', `The account ${subject} is in use: anonymise, delete or deactivate it first.`);
      const keys = await this.events.destroy(subject, null, currentContext()?.principal?.id ?? 'system', reason);
      if (keys.length === 0) throw AppError.notFound('subject', subject);
      // Not about a user: what it says must outlive the keys.
      await this.trail.record({
        action: 'audit.subject_erased',
        category: 'meta',
        severity: 'high',
        resource: { type: 'audit_subject', id: subject },
        detail: { reason, keys, logs: before.logs.map((log) => ({ ...log })) },
      });
      await this.jobs.send(FORGET, { subject, keys } satisfies Erased);
      this.work.afterCommit(() => {
        this.keys.forget();
      });
      return { ...before, keys: await this.history.history(subject) };
    });
  }

  /** Empties the columns of all events under destroyed keys, in transactions of their own: what dies halfway goes on where it was. */
  async forget({ subject, keys }: Erased): Promise<number> {
    await this.events.waitForFiler();
    let events = 0;
    for (const month of await this.events.months(keys))
      for (let emptied = AT_ONCE; emptied === AT_ONCE; events += emptied) emptied = await this.events.forget(keys, month, AT_ONCE);
    if (events > 0)
      await this.trail.recordAlone({
        action: 'audit.names_erased',
        category: 'meta',
        resource: { type: 'audit_subject', id: subject },
        detail: { events },
      });
    return events;
  }

  private async stateOf(subject: string): Promise<SubjectState> {
    const keys = await this.history.history(subject);
    const logs = await this.events.spoken(
      subject,
      keys.map(({ kid }) => kid),
    );
    return { subject, ...(await this.events.standing(subject)), keys, logs };
  }
}

function countOf(logs: readonly Spoken[]): number {
  return logs.reduce((sum, { encrypted, clear }) => sum + encrypted + clear, 0);
}
