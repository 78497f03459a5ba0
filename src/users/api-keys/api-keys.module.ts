import { Module } from '@nestjs/common';
import { KeyAlarms } from './events/key-alarms.js';
import { SecurityEventsController } from './events/security-events.controller.js';
import { SecurityEvents } from './events/security-events.js';
import { KeyCareJob } from './key-care.job.js';
import { KeyCare } from './key-care.js';
import { KeyHousekeeping } from './key-housekeeping.js';
import { KeyCheck } from './key-check.js';
import { KeyDigests } from './key-digests.js';
import { KeyDirectory } from './key-directory.js';
import { KeyEnding } from './key-ending.js';
import { KeyEvents } from './key-events.js';
import { KeyExpiries } from './key-expiries.js';
import { KeyGrants } from './key-grants.js';
import { KeyIssuing } from './key-issuing.js';
import { KeyMaking } from './key-making.js';
import { KeyProjects } from './key-projects.js';
import { KeyProof } from './key-proof.js';
import { KeyRotation } from './key-rotation.js';
import { RotationRules } from './rotation-rules.js';
import { KeySettings } from './key-settings.js';
import { KeysController } from './keys.controller.js';
import { KeysRepository } from './keys.repository.js';
import { KeysService } from './keys.service.js';
import { MyKeysController } from './my-keys.controller.js';
import { TenantTokens } from './tenant-tokens.js';
import { TenantTokensController } from './tenant-tokens.controller.js';
import { KeyUsageController } from './usage/key-usage.controller.js';
import { UsageFiler } from './usage/usage-filer.js';
import { UsageRecorder } from './usage/usage-recorder.js';
import { UsageReports } from './usage/usage-reports.js';
import { UsageRepository } from './usage/usage.repository.js';

/** Keys of programs: what they may do, how they are used, and what is odd about it. Registers the check that the platform's guard asks. */
@Module({
  controllers: [KeyUsageController, TenantTokensController, MyKeysController, KeysController, SecurityEventsController],
  providers: [
    KeyAlarms,
    KeyCare,
    KeyCareJob,
    KeyCheck,
    KeyDigests,
    KeyDirectory,
    KeyEnding,
    KeyEvents,
    KeyExpiries,
    KeyGrants,
    KeyHousekeeping,
    KeyIssuing,
    KeyMaking,
    KeyProjects,
    KeyProof,
    KeyRotation,
    KeySettings,
    KeysRepository,
    KeysService,
    RotationRules,
    SecurityEvents,
    TenantTokens,
    UsageFiler,
    UsageRecorder,
    UsageReports,
    UsageRepository,
  ],
  exports: [KeyEnding],
})
export class ApiKeysModule {}
