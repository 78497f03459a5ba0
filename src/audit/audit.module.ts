import { Global, Module } from '@nestjs/common';
import { Refusals } from '../platform/http/refusals.js';
import { JobEvents } from '../platform/jobs/job-events.js';
import { SettingEvents } from '../platform/settings/setting-events.js';
import { ArchiveChecks } from './archive/archive-checks.js';
import { ArchiveController } from './archive/archive.controller.js';
import { ArchiveGauges } from './archive/archive-gauges.js';
import { ArchiveJob } from './archive/archive.job.js';
import { ArchiveSchedule } from './archive/archive-schedule.js';
import { ArchivePlanner } from './archive/archive-planner.js';
import { ArchiveRepository } from './archive/archive.repository.js';
import { ArchiveRuns } from './archive/archive-runs.service.js';
import { ArchiveRunsRepository } from './archive/archive-runs.repository.js';
import { ArchiveSettings } from './archive/archive-settings.js';
import { StoreAnchor } from './archive/store-anchor.js';
import { ArchiveStore } from './archive/archive-store.js';
import { Archiver } from './archive/archiver.js';
import { ArchiveSearch } from './archive/archive-search.js';
import { ArchiveStream } from './archive/archive-stream.js';
import { MonthReader } from './archive/month-reader.js';
import { Archives } from './archive/archives.js';
import { Exporter } from './archive/exporter.js';
import { ManifestMaker } from './archive/manifest-maker.js';
import { MonthRun } from './archive/month-run.js';
import { Partitions } from './archive/partitions.js';
import { RetentionRun } from './archive/retention-run.js';
import { Uploader } from './archive/uploader.js';
import { Alerts } from './detection/alerts.service.js';
import { DetectionController } from './detection/detection.controller.js';
import { DetectionJob } from './detection/detection.job.js';
import { Detector } from './detection/detector.js';
import { DetectionRules } from './detection/rules.service.js';
import { CheckpointsService } from './evidence/checkpoints.service.js';
import { EvidenceController } from './evidence/evidence.controller.js';
import { EvidenceRepository } from './evidence/evidence.repository.js';
import { EvidenceService } from './evidence/evidence.service.js';
import { ExpiryController } from './expiry/expiry.controller.js';
import { ExpiryJob } from './expiry/expiry.job.js';
import { ExpiryRuns } from './expiry/expiry-runs.js';
import { TrailExpiries } from './expiry/trail-expiries.js';
import { HoldsController } from './holds/holds.controller.js';
import { HoldsRepository } from './holds/holds.repository.js';
import { LegalHolds } from './holds/holds.service.js';
import { AuditLogController } from './log/audit-log.controller.js';
import { AuditLogRepository } from './log/audit-log.repository.js';
import { AuditLogService } from './log/audit-log.service.js';
import { AuditReading } from './log/audit-reading.js';
import { InboxGauge } from './log/inbox-gauge.js';
import { ErasureController } from './personal/erasure.controller.js';
import { ErasureList } from './personal/erasure-list.js';
import { ErasureJob } from './personal/erasure.job.js';
import { ErasureRepository } from './personal/erasure.repository.js';
import { Erasure } from './personal/erasure.service.js';
import { PersonalReader } from './personal/personal-reader.js';
import { RestoredKeys } from './personal/restored-keys.js';
import { SubjectKeysPoll } from './personal/subject-keys-poll.js';
import { SubjectKeys } from './personal/subject-keys.js';
import { SubjectKeysRepository } from './personal/subject-keys.repository.js';
import { AuditedReads } from './reads/audited-reads.js';
import { ClockWatch } from './reads/clock-watch.js';
import { Finishing } from './reads/finishing.js';
import { ReadBuffer } from './reads/read-buffer.js';
import { ReadGauges } from './reads/read-gauges.js';
import { ReadTrail } from './reads/read-trail.js';
import { ReadsRepository } from './reads/reads.repository.js';
import { SpoolReplay } from './reads/replay.js';
import { Spool } from './reads/spool.js';
import { EventPages } from './reports/event-pages.js';
import { AuditExport } from './reports/export.service.js';
import { ReportsController } from './reports/reports.controller.js';
import { ArchivedEvents } from './restored/archived-events.js';
import { PeriodList } from './restored/period-list.js';
import { RehydrationEnd } from './restored/rehydration-end.js';
import { RehydrationTrail } from './restored/rehydration-trail.js';
import { RehydrationController } from './restored/rehydration.controller.js';
import { RehydrationJob } from './restored/rehydration.job.js';
import { RehydrationsRepository } from './restored/rehydrations.repository.js';
import { Rehydrations } from './restored/rehydrations.service.js';
import { Rehydrator } from './restored/rehydrator.js';
import { RestoredEvents } from './restored/restored-events.js';
import { RestoredRepository } from './restored/restored.repository.js';
import { RestoredWriter } from './restored/restored-writer.js';
import { PeriodFates } from './retention/period-fates.js';
import { RetentionController } from './retention/retention.controller.js';
import { RetentionPolicies } from './retention/retention-policies.service.js';
import { RetentionPreview } from './retention/retention-preview.service.js';
import { RetentionRepository } from './retention/retention.repository.js';
import { AuditReports } from './reports/reports.service.js';
import { StatisticsController } from './reports/statistics.controller.js';
import { StatisticsRepository } from './reports/statistics.repository.js';
import { StatisticsService } from './reports/statistics.service.js';
import { AnchorWatch } from './sealing/anchor-watch.js';
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
import { Countries } from './trail/countries.js';
import { JobAudit } from './trail/job-audit.js';
import { RefusalEvents } from './trail/refusal-events.js';
import { SettingAudit } from './trail/setting-audit.js';
import { AnchoredElsewhere } from './verification/anchored-notes.js';
import { VerificationJob } from './verification/verification.job.js';
import { VerificationsController } from './verification/verifications.controller.js';
import { VerificationsRepository } from './verification/verifications.repository.js';
import { VerificationsService } from './verification/verifications.service.js';
import { Verifier } from './verification/verifier.js';

@Global()
@Module({
  controllers: [
    ArchiveController,
    AuditLogController,
    AuditStreamController,
    DetectionController,
    ErasureController,
    EvidenceController,
    ExpiryController,
    HoldsController,
    RehydrationController,
    RetentionController,
    ReportsController,
    StatisticsController,
    VerificationsController,
  ],
  providers: [
    AuditTrail,
    Countries,
    SubjectKeysRepository,
    SubjectKeys,
    SubjectKeysPoll,
    PersonalReader,
    ErasureRepository,
    Erasure,
    ErasureList,
    RestoredKeys,
    ErasureJob,
    AuditLogRepository,
    AuditLogService,
    AuditReading,
    EventPages,
    AuditExport,
    AuditReports,
    PeriodFates,
    ArchiveChecks,
    ArchiveGauges,
    ArchiveJob,
    ArchiveSchedule,
    ArchivePlanner,
    ArchiveRepository,
    ArchiveRuns,
    ArchiveRunsRepository,
    ArchiveSettings,
    ArchiveStore,
    StoreAnchor,
    { provide: AnchoredElsewhere, useExisting: StoreAnchor },
    Archiver,
    Archives,
    ArchiveSearch,
    ArchiveStream,
    MonthReader,
    Exporter,
    ManifestMaker,
    MonthRun,
    Partitions,
    RetentionRun,
    Uploader,
    RestoredEvents,
    RestoredRepository,
    RestoredWriter,
    ArchivedEvents,
    PeriodList,
    RehydrationsRepository,
    Rehydrations,
    Rehydrator,
    RehydrationEnd,
    RehydrationTrail,
    RehydrationJob,
    RetentionRepository,
    RetentionPolicies,
    RetentionPreview,
    HoldsRepository,
    LegalHolds,
    TrailExpiries,
    ExpiryRuns,
    ExpiryJob,
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
    AnchorWatch,
    Verifier,
    CheckpointsService,
    EvidenceRepository,
    EvidenceService,
    VerificationsRepository,
    VerificationsService,
    VerificationJob,
    ReadsRepository,
    Spool,
    Finishing,
    ReadBuffer,
    ReadTrail,
    SpoolReplay,
    ReadGauges,
    ClockWatch,
    AuditedReads,
    { provide: Refusals, useClass: RefusalEvents },
    { provide: JobEvents, useClass: JobAudit },
    { provide: SettingEvents, useClass: SettingAudit },
  ],
  exports: [AuditTrail, Refusals, JobEvents, SettingEvents],
})
export class AuditModule {}
