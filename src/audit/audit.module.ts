import { Global, Module } from '@nestjs/common';
import { Refusals } from '../platform/http/refusals.js';
import { JobEvents } from '../platform/jobs/job-events.js';
import { SettingEvents } from '../platform/settings/setting-events.js';
import { CheckpointsService } from './evidence/checkpoints.service.js';
import { EvidenceController } from './evidence/evidence.controller.js';
import { EvidenceRepository } from './evidence/evidence.repository.js';
import { EvidenceService } from './evidence/evidence.service.js';
import { AuditLogController } from './log/audit-log.controller.js';
import { AuditLogRepository } from './log/audit-log.repository.js';
import { AuditLogService } from './log/audit-log.service.js';
import { InboxGauge } from './log/inbox-gauge.js';
import { Anchoring } from './sealing/anchoring.js';
import { AnchoringRepository } from './sealing/anchoring.repository.js';
import { FileAnchor } from './sealing/file-anchor.js';
import { LogAnchor } from './sealing/log-anchor.js';
import { LogTrees } from './sealing/log-trees.js';
import { SealerJob } from './sealing/sealer.job.js';
import { Sealer } from './sealing/sealer.js';
import { SealingGauges } from './sealing/sealing-gauges.js';
import { SealingRepository } from './sealing/sealing.repository.js';
import { SealingSettings } from './sealing/sealing-settings.js';
import { SigningKeys } from './sealing/signing-keys.js';
import { WebhookAnchor } from './sealing/webhook-anchor.js';
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
  controllers: [AuditLogController, EvidenceController, VerificationsController],
  providers: [
    AuditTrail,
    AuditLogRepository,
    AuditLogService,
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
