import { CreatePlatform1793000000000 } from './1793000000000-create-platform.js';
import { CreateAudit1793000000100 } from './1793000000100-create-audit.js';
import { CreateIdentity1793000000200 } from './1793000000200-create-identity.js';
import { CreateIpamPools1793000000300 } from './1793000000300-create-ipam-pools.js';
import { CreateIpamSpace1793000000400 } from './1793000000400-create-ipam-space.js';
import { CreateIpamExtents1793000000410 } from './1793000000410-create-ipam-extents.js';
import { CarveAllocations1793000000420 } from './1793000000420-carve-allocations.js';
import { CarvePools1793000000430 } from './1793000000430-carve-pools.js';
import { CreateIpamQuestions1793000000440 } from './1793000000440-create-ipam-questions.js';
import { CreateIpamImport1793000000500 } from './1793000000500-create-ipam-import.js';
import { LimitRights1793000000600 } from './1793000000600-limit-rights.js';
import { ExtendAccounts1793000000610 } from './1793000000610-extend-accounts.js';
import { ExtendSignIn1793000000620 } from './1793000000620-extend-sign-in.js';
import { CreateSettings1793000000630 } from './1793000000630-create-settings.js';
import { CreateIdentityProviders1793000000640 } from './1793000000640-create-identity-providers.js';
import { CreateApiKeys1793000000650 } from './1793000000650-create-api-keys.js';
import { CreateWorkSessions1793000000660 } from './1793000000660-create-work-sessions.js';
import { ScopeIpam1793000000670 } from './1793000000670-scope-ipam.js';
import { CreateSearch1793000000680 } from './1793000000680-create-search.js';
import { SealAudit1793000000700 } from './1793000000700-seal-audit.js';
import { AskAudit1793000000720 } from './1793000000720-ask-audit.js';
import { ClassAudit1793000000740 } from './1793000000740-class-audit.js';
import { GuardReadLogs1793000000750 } from './1793000000750-guard-read-logs.js';
import { RetainAudit1793000000760 } from './1793000000760-retain-audit.js';
import { ArchiveAudit1793000000770 } from './1793000000770-archive-audit.js';
import { EncryptAudit1793000000780 } from './1793000000780-encrypt-audit.js';
import { RestoreAudit1793000000790 } from './1793000000790-restore-audit.js';
import { LoadRestored1793000000800 } from './1793000000800-load-restored.js';
import { KeepMonthsClosed1793000000840 } from './1793000000840-keep-months-closed.js';
import { PartVerifyingFromDetaching1793000000850 } from './1793000000850-part-verifying-from-detaching.js';
import { PurgeInTwoSteps1793000000860 } from './1793000000860-purge-in-two-steps.js';
import { WatchTrail1793000000900 } from './1793000000900-watch-trail.js';
import { ExpireArchiveRuns1793000000910 } from './1793000000910-expire-archive-runs.js';
import { DateEvents1793000000915 } from './1793000000915-date-events.js';
import { BeatAfterAStepBack1793000000920 } from './1793000000920-beat-after-a-step-back.js';
import { FindWordsFaster1793000000930 } from './1793000000930-find-words-faster.js';
import { SearchWithoutWorkers1793000000940 } from './1793000000940-search-without-workers.js';

/** Every migration, in the order they run. */
export const migrations = [
  CreatePlatform1793000000000,
  CreateAudit1793000000100,
  CreateIdentity1793000000200,
  CreateIpamPools1793000000300,
  CreateIpamSpace1793000000400,
  CreateIpamExtents1793000000410,
  CarveAllocations1793000000420,
  CarvePools1793000000430,
  CreateIpamQuestions1793000000440,
  CreateIpamImport1793000000500,
  LimitRights1793000000600,
  ExtendAccounts1793000000610,
  ExtendSignIn1793000000620,
  CreateSettings1793000000630,
  CreateIdentityProviders1793000000640,
  CreateApiKeys1793000000650,
  CreateWorkSessions1793000000660,
  ScopeIpam1793000000670,
  CreateSearch1793000000680,
  SealAudit1793000000700,
  AskAudit1793000000720,
  ClassAudit1793000000740,
  GuardReadLogs1793000000750,
  RetainAudit1793000000760,
  ArchiveAudit1793000000770,
  EncryptAudit1793000000780,
  RestoreAudit1793000000790,
  LoadRestored1793000000800,
  KeepMonthsClosed1793000000840,
  PartVerifyingFromDetaching1793000000850,
  PurgeInTwoSteps1793000000860,
  WatchTrail1793000000900,
  ExpireArchiveRuns1793000000910,
  DateEvents1793000000915,
  BeatAfterAStepBack1793000000920,
  FindWordsFaster1793000000930,
  SearchWithoutWorkers1793000000940,
];
