import { type Builders } from '../builders.js';
import { type ExampleCall, type RouteExample } from '../route-example.js';

const aRun = async (make: Builders): Promise<ExampleCall> => {
  const { body } = (await make.root.get('/api/v1/audit/archive/plan').expect(200)) as { body: { hash: string } };
  return { path: '/api/v1/audit/archive/runs', body: { planHash: body.hash } };
};

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
    leaves: [
      { action: 'audit.verification_requested', category: 'access', on: 'audit_verification', keeps: 'nothing', outcome: 'unknown' },
      { action: 'audit.verified', category: 'access', on: 'audit_verification', keeps: 'nothing' },
    ],
    fails: 'nothing stands in its way',
  },
  'POST /api/v1/audit/archive/runs': {
    works: aRun,
    leaves: [{ action: 'audit.archive_requested', category: 'governance', on: 'audit_archive_run', keeps: 'nothing' }],
    fails: {
      status: 409,
      call: () => Promise.resolve({ path: '/api/v1/audit/archive/runs', body: { planHash: '0'.repeat(64) } }),
    },
  },
};
