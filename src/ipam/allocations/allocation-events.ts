import { type AuditEvent } from '../../audit/trail/audit-event.js';
import { type Allocation } from './allocation.entity.js';

/** The fields of an allocation that the trail keeps: its holder and its place, not the bookkeeping. */
function recorded(a: Allocation): object {
  const { vrfId, poolId, address, lastAddress, status, hostname, mac, owner, purpose, description } = a;
  return { vrfId, poolId, address, lastAddress, status, hostname, mac, owner, purpose, description };
}

export function createdEvent(a: Allocation): AuditEvent {
  return { action: 'allocation.created', category: 'ipam', resource: resourceOf(a), after: recorded(a) };
}

export function updatedEvent(before: Allocation, after: Allocation): AuditEvent {
  return { action: 'allocation.updated', category: 'ipam', resource: resourceOf(after), before: recorded(before), after: recorded(after) };
}

export function releasedEvent(before: Allocation, after: Allocation): AuditEvent {
  return {
    action: 'allocation.released',
    category: 'ipam',
    resource: resourceOf(after),
    before: recorded(before),
    detail: { quarantinedUntil: after.quarantinedUntil },
  };
}

function resourceOf(a: Allocation): { type: string; id: string; name: string } {
  return { type: 'allocation', id: a.id, name: a.address === a.lastAddress ? a.address : `${a.address}-${a.lastAddress}` };
}
