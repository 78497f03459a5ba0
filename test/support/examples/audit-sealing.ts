import { type RouteExample } from '../route-example.js';

export const auditSealingExamples: Record<string, RouteExample> = {
  'POST /api/v1/audit/evidence': {
    works: () =>
      Promise.resolve({
        path: '/api/v1/audit/evidence',
        body: { action: 'nothing.of_this_name', resourceType: 'pool', from: '2026-01-31T12:00:00Z', consistentWith: [] },
      }),
    leaves: [{ action: 'audit.evidence_taken', category: 'access', on: 'audit_evidence', keeps: 'nothing' }],
    fails: 'what is not sealed yet is 409 event_not_sealed: audit-evidence',
  },
  'POST /api/v1/audit/verifications': {
    works: () => Promise.resolve({ path: '/api/v1/audit/verifications', body: { class: 'ipam', from: '2026-01-31T12:00:00Z' } }),
    leaves: [{ action: 'audit.verified', category: 'access', on: 'audit_verification', keeps: 'nothing' }],
    fails: 'nothing stands in its way',
  },
};
