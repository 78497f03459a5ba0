import { Injectable, type OnModuleInit } from '@nestjs/common';
import { UnitOfWork } from '../../platform/database/unit-of-work.js';
import { Expiries } from '../../platform/retention/expiries.js';
import { keptDays } from '../../platform/retention/kept-days.js';
import { tableExpiry } from '../../platform/retention/table-expiry.js';

const alertsDays = keptDays('alertsDays', [90, 730], 'How long alerts are kept that are resolved or suppressed.');
const verificationsDays = keptDays('verificationsDays', [90, 400], 'How long results of verifications of the trail are kept.');

const archiveRunsDays = keptDays('archiveRunsDays', [90, 730], 'How long it is kept what runs of the archive did.');

/** What was made of the trail and is not part of it. */
@Injectable()
export class TrailExpiries implements OnModuleInit {
  constructor(
    private readonly work: UnitOfWork,
    private readonly expiries: Expiries,
  ) {}

  onModuleInit(): void {
    this.expiries.register(
      tableExpiry(this.work, {
        name: 'alerts',
        text: 'Alerts that are resolved or suppressed, from when they were. Others stay.',
        days: alertsDays,
        table: 'audit_alerts',
        // While it keeps its rule quiet, it is needed.
        where: 'x.closed_at < $1 AND upper(x.quiet) < now()',
        about: 'ARRAY[x.subject, x.id::text]',
      }),
      tableExpiry(this.work, {
        name: 'verifications',
        text: 'Results of verifications, from when they ended. That there was one stays in the trail.',
        days: verificationsDays,
        table: 'audit_verification',
        where: `x.state IN ('done', 'failed') AND x.finished_at < $1`,
      }),
      tableExpiry(this.work, {
        name: 'archive_runs',
        text: 'Archive runs, from when they ended. What was done to each month stays in the trail.',
        days: archiveRunsDays,
        table: 'audit_archive_run',
        where: `x.state IN ('done', 'failed') AND x.finished_at < $1`,
      }),
    );
  }
}
