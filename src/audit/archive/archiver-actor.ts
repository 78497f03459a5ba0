import { currentContext } from '../../platform/context/request-context.js';
import { type AuditEvent } from '../trail/audit-event.js';

export const ARCHIVER = { kind: 'system', id: 'archiver', name: 'archiver' };

/** Whoever asked does it; the archiver when nobody did, as in a job, whose own name says nothing to rules that count by actor. */
export function byArchiver(): Pick<AuditEvent, 'actor'> {
  const kind = currentContext()?.principal?.kind;
  return kind === undefined || kind === 'system' ? { actor: ARCHIVER } : {};
}
