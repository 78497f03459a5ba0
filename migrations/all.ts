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
];
