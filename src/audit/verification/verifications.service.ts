import { Injectable } from '@nestjs/common';
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
    const events = await this.verifications.eventsIn(options.log);
    if (events === undefined) throw AppError.notFound('audit_log', options.log ?? '');
    if (events <= AT_ONCE) {
      const report = await this.verifier.verify(instantsOf(options));
      return this.work.run(async () => this.finish((await this.verifications.insert(actorName(), options)).id, report));
    }
    return this.work.run(async () => {
      const verification = await this.verifications.insert(actorName(), options);
      await this.jobs.send(VERIFY, { id: verification.id });
      await this.trail.record({
        action: 'audit.verification_requested',
        category: 'access',
        resource: { type: 'audit_verification', id: verification.id },
        detail: { ...options },
      });
      return verification;
    });
  }

  /** Verifies everything, as the nightly job of this id does. */
  async scheduled(id: string): Promise<Verification> {
    await this.verifications.insertOnce(id, 'system');
    return this.run(id);
  }

  /** Nobody will try this one again. */
  async gaveUp(id: string, reason: string | null): Promise<void> {
    await this.verifications.fail(id, reason ?? 'The job that verified is dead.');
  }

  /** Runs one that was asked for; one that was finished before is left as it is. */
  async run(id: string): Promise<Verification> {
    const verification = await this.verifications.begin(id);
    if (!verification) return this.get(id);
    const report = await this.verifier.verify(instantsOf(verification.options));
    return this.work.run(() => this.finish(id, report));
  }

  /** Says in the trail, and in the log when it is bad, what came of a verification. */
  async tell(id: string, report: VerificationReport): Promise<void> {
    const [first] = report.findings;
    if (report.result !== 'sound')
      this.log.error('the audit log is not sound', { result: report.result, findings: report.findingCount, first });
    await this.trail.record({
      action: 'audit.verified',
      category: 'access',
      severity: report.result === 'sound' ? 'info' : 'critical',
      outcome: report.result === 'sound' ? 'success' : 'failure',
      resource: { type: 'audit_verification', id },
      detail: { result: report.result, findings: report.findingCount, first, logs: report.logs, anchors: report.anchors },
    });
  }

  private async finish(id: string, report: VerificationReport): Promise<Verification> {
    const finished = await this.verifications.finish(id, report);
    // A worker that had lost the job came first.
    if (!finished) return this.get(id);
    await this.tell(id, report);
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
