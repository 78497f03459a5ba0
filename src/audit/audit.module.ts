import { Global, Module } from '@nestjs/common';
import { Refusals } from '../platform/http/refusals.js';
import { JobEvents } from '../platform/jobs/job-events.js';
import { SettingEvents } from '../platform/settings/setting-events.js';
import { AuditLogController } from './log/audit-log.controller.js';
import { AuditLogRepository } from './log/audit-log.repository.js';
import { AuditLogService } from './log/audit-log.service.js';
import { FilerJob } from './log/filer.job.js';
import { InboxGauge } from './log/inbox-gauge.js';
import { AuditTrail } from './trail/audit-trail.js';
import { JobAudit } from './trail/job-audit.js';
import { RefusalEvents } from './trail/refusal-events.js';
import { SettingAudit } from './trail/setting-audit.js';

@Global()
@Module({
  controllers: [AuditLogController],
  providers: [
    AuditTrail,
    AuditLogRepository,
    AuditLogService,
    FilerJob,
    InboxGauge,
    { provide: Refusals, useClass: RefusalEvents },
    { provide: JobEvents, useClass: JobAudit },
    { provide: SettingEvents, useClass: SettingAudit },
  ],
  exports: [AuditTrail, Refusals, JobEvents, SettingEvents],
})
export class AuditModule {}
