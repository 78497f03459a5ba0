import { actionWords } from '../log/action-words.js';
import { type AuditEventView } from '../log/audit-event.dto.js';
import { type AuditQuestion } from '../log/audit-query.js';
import { pciRequirements, requirementsOf } from './pci-requirements.js';
import { type ChangeTrailFilter, type DataSubjectFilter, type ReportFilter } from './report.dto.js';

export interface Report {
  name: string;
  title: string;
  parameters: ReportFilter;
  questions: AuditQuestion[];
  /** The line of an event; undefined when it is none of the report's. */
  line: (event: AuditEventView) => object | undefined;
  /** What a reader might look for in vain. */
  notRecorded: readonly string[];
  /** What the reader needs to read the lines. */
  legend?: object;
}

const READS = [...(actionWords.READ ?? []), ...(actionWords.BULK_READ ?? []), ...(actionWords.DOWNLOAD ?? [])];

/** Everything by one account, about it, and that mentions it (GDPR Article 15). */
export function dataSubject(parameters: DataSubjectFilter): Report {
  const { user } = parameters;
  const time = timeOf(parameters);
  return {
    name: 'data-subject',
    title: 'Everything by and about one user',
    parameters,
    questions: [
      { actor: user, ...time },
      { resourceType: 'user', resourceId: user, ...time },
      { resourceType: 'audit_subject', resourceId: user, ...time },
      { text: user, ...time },
    ],
    line: (event) => Object.assign({ relation: relationOf(event, user) }, event),
    notRecorded: [
      'logins with a name that no account has',
      'what the account read of a kind while its setting audit.reads.* was off, as that of the address space is by default',
      'what was erased: events that say `erased`, and audit.subject_erased for when and why',
    ],
  };
}

/** Changes with what was before and after, who made and who approved them (SOX 404). */
export function changeTrail(parameters: ChangeTrailFilter): Report {
  return {
    name: 'change-trail',
    title: 'Changes, before and after, and who made them',
    parameters,
    questions: (['ipam', 'governance'] as const).map((category) => ({
      ...timeOf(parameters),
      ...(parameters.resourceType === undefined ? {} : { resourceType: parameters.resourceType }),
      category,
      outcome: 'success' as const,
    })),
    line: (event) =>
      event.changes || event.before !== undefined || event.after !== undefined
        ? {
            at: event.at,
            id: event.id,
            action: event.action,
            resource: event.resource,
            changedBy: event.actor,
            approvedBy: approverOf(event),
            changes: event.changes,
            before: event.before,
            after: event.after,
            correlationId: event.correlationId,
            seq: event.seq,
          }
        : undefined,
    notRecorded: ['an approver where none was asked for: approvedBy is null', 'changes made in the database past this program'],
  };
}

/** Reads of what is classified (HIPAA 45 CFR 164.312(b)). */
export function access(parameters: ReportFilter): Report {
  return {
    name: 'access',
    title: 'Reads of classified resources',
    parameters,
    questions: [
      { ...timeOf(parameters), patterns: READS },
      { ...timeOf(parameters), patterns: ['request.denied'] },
    ],
    line: ({ at, id, actor, action, outcome, resource, request, detail, correlationId, seq }) => ({
      at,
      id,
      actor,
      action,
      outcome,
      resource,
      request,
      detail,
      correlationId,
      seq,
    }),
    notRecorded: ['reads of a kind while its setting audit.reads.* is off, as that of the address space is by default'],
    legend: { reads: READS },
  };
}

/** What PCI DSS 10.2.1 asks for. */
export function pci(parameters: ReportFilter): Report {
  const patterns = [...new Set(Object.values(pciRequirements).flatMap(({ actions }) => actions))];
  return {
    name: 'pci',
    title: 'Events that PCI DSS 4.0 asks for in 10.2.1',
    parameters,
    questions: [{ ...timeOf(parameters), patterns }],
    line: (event) => Object.assign({ requirements: requirementsOf(event.action) }, event),
    notRecorded: Object.entries(pciRequirements).flatMap(([id, { notRecorded }]) =>
      notRecorded === undefined ? [] : [`${id}: ${notRecorded}`],
    ),
    legend: { requirements: pciRequirements },
  };
}

function timeOf({ from, to }: ReportFilter): Pick<AuditQuestion, 'from' | 'to'> {
  return { ...(from ? { from } : {}), ...(to ? { to } : {}) };
}

function relationOf({ actor, resource }: AuditEventView, user: string): 'by' | 'about' | 'mentioned' {
  if (actor.id === user || actor.ownerId === user) return 'by';
  return ['user', 'audit_subject'].includes(resource?.type ?? '') && resource?.id === user ? 'about' : 'mentioned';
}

/** Named by events of changes that somebody else had to approve. */
function approverOf({ detail }: AuditEventView): unknown {
  return typeof detail === 'object' && detail !== null && 'approvedBy' in detail ? detail.approvedBy : null;
}
