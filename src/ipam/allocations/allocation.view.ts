import { type AllocationView } from './allocation.dto.js';
import { type Allocation } from './allocation.entity.js';

/** Written out member by member: this runs on the busiest routes. */
export function allocationView(a: Allocation): AllocationView {
  return {
    id: a.id,
    vrfId: a.vrfId,
    poolId: a.poolId,
    address: a.address,
    lastAddress: a.lastAddress,
    status: a.returnedAt ? 'released' : a.releasedAt ? 'quarantined' : a.status,
    hostname: a.hostname,
    mac: a.mac,
    owner: a.owner,
    purpose: a.purpose,
    description: a.description,
    version: a.version,
    allocatedAt: a.allocatedAt.toISOString(),
    allocatedBy: a.allocatedBy,
    updatedAt: a.updatedAt.toISOString(),
    releasedAt: a.releasedAt?.toISOString() ?? null,
    releasedBy: a.releasedBy,
    quarantinedUntil: a.quarantinedUntil?.toISOString() ?? null,
  };
}
