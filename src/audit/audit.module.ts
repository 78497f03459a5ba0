import { Global, Module } from '@nestjs/common';
import { Refusals } from '../platform/http/refusals.js';
import { JobEvents } from '../platform/jobs/job-events.js';
import { SettingEvents } from '../platform/settings/setting-events.js';
import { Alerts } from './detection/alerts.service.js';
import { DetectionController } from './detection/detection.controller.js';
import { DetectionJob } from './detection/detection.job.js';
import { Detector } from './detection/detector.js';
import { DetectionRules } from './detection/rules.service.js';
import { CheckpointsService } from './evidence/checkpoints.service.js';
import { EvidenceController } from './evidence/evidence.controller.js';
import { EvidenceRepository } from './evidence/evidence.repository.js';
import { EvidenceService } from './evidence/evidence.service.js';
import { AuditLogController } from './log/audit-log.controller.js';
import { AuditLogRepository } from './log/audit-log.repository.js';
import { AuditLogService } from './log/audit-log.service.js';
import { AuditReading } from './log/audit-reading.js';
import { InboxGauge } from './log/inbox-gauge.js';
import { EventPages } from './reports/event-pages.js';
import { AuditExport } from './reports/export.service.js';
import { ReportsController } from './reports/reports.controller.js';
import { PeriodFates } from './retention/period-fates.js';
import { AuditReports } from './reports/reports.service.js';
import { StatisticsController } from './reports/statistics.controller.js';
import { StatisticsRepository } from './reports/statistics.repository.js';
import { StatisticsService } from './reports/statistics.service.js';
import { Anchoring } from './sealing/anchoring.js';
import { AnchoringRepository } from './sealing/anchoring.repository.js';
import { FileAnchor } from './sealing/file-anchor.js';
import { LogAnchor } from './sealing/log-anchor.js';
import { LogTrees } from './sealing/log-trees.js';
import { SealerJob } from './sealing/sealer.job.js';
import { Sealer } from './sealing/sealer.js';
import { SealingGauges } from './sealing/sealing-gauges.js';
import { SealingSettings } from './sealing/sealing-settings.js';
import { SealingRepository } from './sealing/sealing.repository.js';
import { SigningKeys } from './sealing/signing-keys.js';
import { WebhookAnchor } from './sealing/webhook-anchor.js';
import { AuditStreamController } from './stream/audit-stream.controller.js';
import { AuditStreams } from './stream/audit-streams.js';
import { StreamSettings } from './stream/stream-settings.js';
import { TailRepository } from './stream/tail.repository.js';
import { AuditTrail } from './trail/audit-trail.js';
import { JobAudit } from './trail/job-audit.js';
import { RefusalEvents } from './trail/refusal-events.js';
import { SettingAudit } from './trail/setting-audit.js';
import { VerificationJob } from './verification/verification.job.js';
import { VerificationsController } from './verification/verifications.controller.js';
import { VerificationsRepository } from './verification/verifications.repository.js';
import { VerificationsService } from './verification/verifications.service.js';
import { Verifier } from './verification/verifier.js';

@Global()
@Module({
  controllers: [
    AuditLogController,
    AuditStreamController,
    DetectionController,
    EvidenceController,
    ReportsController,
    StatisticsController,
    VerificationsController,
  ],
  providers: [
    AuditTrail,
    AuditLogRepository,
    AuditLogService,
    AuditReading,
    EventPages,
    AuditExport,
    AuditReports,
    PeriodFates,
    StatisticsRepository,
    StatisticsService,
    Alerts,
    DetectionRules,
    Detector,
    DetectionJob,
    TailRepository,
    AuditStreams,
    StreamSettings,
    InboxGauge,
    SealingSettings,
    SealingRepository,
    LogTrees,
    SigningKeys,
    FileAnchor,
    LogAnchor,
    WebhookAnchor,
    AnchoringRepository,
    Anchoring,
    Sealer,
    SealerJob,
    SealingGauges,
    Verifier,
    CheckpointsService,
    EvidenceRepository,
    EvidenceService,
    VerificationsRepository,
    VerificationsService,
    VerificationJob,
    { provide: Refusals, useClass: RefusalEvents },
    { provide: JobEvents, useClass: JobAudit },
    { provide: SettingEvents, useClass: SettingAudit },
  ],
  exports: [AuditTrail, Refusals, JobEvents, SettingEvents],
})
export class AuditModule {}
