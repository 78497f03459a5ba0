import { Injectable } from '@nestjs/common';
import { v7 as uuidv7 } from 'uuid';
import { AppError } from '../../kernel/app-error.js';
import { actorName } from '../../platform/context/request-context.js';
import { UnitOfWork } from '../../platform/database/unit-of-work.js';
import { idIn, pageById } from '../../platform/http/cursor.js';
import { Jobs } from '../../platform/jobs/jobs.js';
import { Log } from '../../platform/logging/log.js';
import { AuditTrail } from '../trail/audit-trail.js';
import { type StoredOptions, type Verification } from './verification.js';
import { VerificationsRepository } from './verifications.repository.js';
import { type VerificationOptions, type VerificationReport, Verifier } from './verifier.js';

export const VERIFY = 'audit.verify';

/** What a job is sent: which, and the event that said it began. */
export interface VerificationOrder {
  id: string;
  attempt?: string;
}

/** Up to so many events are verified while the caller waits. */
const AT_ONCE = 20_000;

/** Verifications that were asked for. Each leaves its result in a row and in the trail. */
@Injectable()
export class VerificationsService {
  constructor(
    private readonly work: UnitOfWork,
    private readonly verifications: VerificationsRepository,
    private readonly verifier: Verifier,
    private readonly jobs: Jobs,
    private readonly trail: AuditTrail,
    private readonly log: Log,
  ) {}

  /** Verifies a small log at once and leaves a large one to a job. Throws `audit_log_not_found`. */
  async request(options: StoredOptions): Promise<Verification> {
    const events = await this.eventsIn(options.log);
    const id = uuidv7();
    const attempt = await this.began(id, options);
    if (events <= AT_ONCE) {
      const report = await this.verifier.verify(instantsOf(options));
      return this.work.run(async () => {
        await this.verifications.insert(id, actorName(), options);
        return this.finish(id, report, attempt);
      });
    }
    return this.work.run(async () => {
      const verification = await this.verifications.insert(id, actorName(), options);
      await this.jobs.send(VERIFY, { id, attempt } satisfies VerificationOrder);
      return verification;
    });
  }

  /** Says in the trail that one begins; its result names what this returns. One without a result ended without. Throws `audit_log_not_found`. */
  async attempt(id: string, options: StoredOptions = {}): Promise<string> {
    await this.eventsIn(options.log);
    return this.began(id, options);
  }

  /** Throws `audit_log_not_found`. */
  private async eventsIn(log: string | undefined): Promise<number> {
    const events = await this.verifications.eventsIn(log);
    if (events === undefined && log !== undefined) throw AppError.notFound('audit_log', log);
    return events ?? 0;
  }

  private began(id: string, options: StoredOptions): Promise<string> {
    return this.trail.attempt({
      action: 'audit.verification_requested',
      category: 'access',
      resource: { type: 'audit_verification', id },
      detail: { ...options },
    });
  }

  /** Verifies everything, as the nightly job of this id does. */
  async scheduled(id: string): Promise<Verification> {
    await this.verifications.insertOnce(id, 'system');
    return this.run({ id, attempt: await this.attempt(id) });
  }

  /** Nobody will try this one again. */
  async gaveUp({ id, attempt }: VerificationOrder, why: string | null): Promise<void> {
    const reason = why ?? 'The job that verified is dead.';
    await this.work.run(async () => {
      if (!(await this.verifications.fail(id, reason))) return;
      await this.trail.record({
        action: 'audit.verification_abandoned',
        category: 'access',
        severity: 'high',
        outcome: 'failure',
        resource: { type: 'audit_verification', id },
        detail: { attempt, reason },
      });
    });
  }

  /** Runs one that was asked for; one that was finished before is left as it is. */
  async run({ id, attempt }: VerificationOrder): Promise<Verification> {
    const verification = await this.verifications.begin(id);
    if (!verification) return this.get(id);
    const report = await this.verifier.verify(instantsOf(verification.options));
    return this.work.run(() => this.finish(id, report, attempt));
  }

  /** Says in the trail, and in the log when it is bad, what came of a verification. */
  async tell(id: string, report: VerificationReport, attempt: string | undefined): Promise<void> {
    const [first] = report.findings;
    if (report.result !== 'sound')
      this.log.error('the audit log is not sound', { result: report.result, findings: report.findingCount, first });
    await this.trail.record({
      action: 'audit.verified',
      category: 'access',
      severity: report.result === 'sound' ? 'info' : 'critical',
      outcome: report.result === 'sound' ? 'success' : 'failure',
      resource: { type: 'audit_verification', id },
      detail: { attempt, result: report.result, findings: report.findingCount, first, logs: report.logs, anchors: report.anchors },
    });
  }

  private async finish(id: string, report: VerificationReport, attempt: string | undefined): Promise<Verification> {
    const finished = await this.verifications.finish(id, report);
    // A worker that had lost the job came first.
    if (!finished) return this.get(id);
    await this.tell(id, report, attempt);
    return finished;
  }

  async get(id: string): Promise<Verification> {
    const verification = await this.verifications.byId(id);
    if (!verification) throw AppError.notFound('audit_verification', id);
    return verification;
  }

  async list(after: string | undefined, limit: number): Promise<{ items: Verification[]; next: string | null }> {
    return pageById(await this.verifications.newest(idIn(after), limit + 1), limit);
  }
}

function instantsOf({ log, from, to }: StoredOptions): VerificationOptions {
  return { log, from: from === undefined ? undefined : new Date(from), to: to === undefined ? undefined : new Date(to) };
}
