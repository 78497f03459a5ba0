import { type Builders } from '../builders.js';
import { type ExampleCall, type RouteExample } from '../route-example.js';

const AUDIT = '/api/v1/audit';
const STALE = { 'if-match': '"99"' };

/** Reads that are in the trail themselves, by what they leave there. */
export const auditedReads: Record<string, string> = {
  [`GET ${AUDIT}/timeline`]: 'audit.read',
  [`GET ${AUDIT}/stats`]: 'audit.read',
  [`GET ${AUDIT}/monitoring/high-severity`]: 'audit.read',
  [`GET ${AUDIT}/monitoring/failures`]: 'audit.read',
  [`GET ${AUDIT}/monitoring/unusual-usage`]: 'audit.read',
  [`GET ${AUDIT}/export`]: 'audit.exported',
  [`GET ${AUDIT}/reports/data-subject`]: 'audit.read',
  [`GET ${AUDIT}/reports/change-trail`]: 'audit.read',
  [`GET ${AUDIT}/reports/access`]: 'audit.read',
  [`GET ${AUDIT}/reports/pci`]: 'audit.read',
  [`GET ${AUDIT}/stream`]: 'audit.read',
};

/** Queries without which they are refused. */
export const askingQueries: Record<string, Record<string, string>> = {
  [`GET ${AUDIT}/timeline`]: { resourceType: 'pool', resourceId: 'any' },
  [`GET ${AUDIT}/reports/data-subject`]: { user: 'anybody' },
};

async function anAlert(make: Builders): Promise<string> {
  const [row] = await make.t.sql<{ id: string }>(
    `INSERT INTO audit_alerts (rule, subject, severity, events, first_at, last_at, quiet)
     VALUES ('denials', $1, 'medium', 5, now(), now(), tstzrange(now(), now() + interval '1 hour')) RETURNING id`,
    [make.name('subject')],
  );
  return row?.id ?? '';
}

const patchAlert = async (make: Builders): Promise<ExampleCall> => ({
  path: `${AUDIT}/alerts/${await anAlert(make)}`,
  body: { state: 'acknowledged', note: 'looking' },
});

/** Another threshold every time: what changes nothing is no event. */
const patchRule = async (make: Builders): Promise<ExampleCall> => {
  const [rule] = await make.t.sql<{ id: string; threshold: number }>(`SELECT id, threshold FROM audit_rules WHERE name = 'keys_made'`);
  return {
    path: `${AUDIT}/rules/${rule?.id ?? ''}`,
    body: {
      threshold: ((rule?.threshold ?? 0) % 1000) + 1,
      enabled: true,
      windowSeconds: 3600,
      cooldownSeconds: 14_400,
      severity: 'medium',
    },
  };
};

export const askingExamples: Record<string, RouteExample> = {
  [`PATCH ${AUDIT}/alerts/:id`]: {
    works: patchAlert,
    leaves: [{ action: 'alert.acknowledged', category: 'governance', on: 'alert', keeps: 'changes' }],
    fails: { status: 412, call: async (make) => ({ ...(await patchAlert(make)), headers: STALE }) },
  },
  [`PATCH ${AUDIT}/rules/:id`]: {
    works: patchRule,
    leaves: [{ action: 'detection_rule.updated', category: 'governance', on: 'detection_rule', keeps: 'changes' }],
    fails: { status: 412, call: async (make) => ({ ...(await patchRule(make)), headers: STALE }) },
  },
};
