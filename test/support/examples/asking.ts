import { type Builders } from '../builders.js';
import { type ExampleCall, type RouteExample } from '../route-example.js';

const AUDIT = '/api/v1/audit';
const STALE = { 'if-match': '"99"' };

/** Queries without which they are refused. Other examples have made months up, of which there is no archive. */
export const askingQueries: Record<string, Record<string, string>> = {
  [`GET ${AUDIT}/timeline`]: { resourceType: 'pool', resourceId: 'any' },
  [`GET ${AUDIT}/reports/data-subject`]: { user: 'anybody', archived: 'false' },
  [`GET ${AUDIT}/reports/change-trail`]: { archived: 'false' },
  [`GET ${AUDIT}/reports/access`]: { archived: 'false' },
  [`GET ${AUDIT}/reports/pci`]: { archived: 'false' },
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

const eraseSubject =
  (active: boolean) =>
  async (make: Builders): Promise<ExampleCall> => {
    const { id } = await make.aUser();
    if (!active) await make.t.sql('UPDATE users SET active = false WHERE id = $1', [id]);
    return { path: `${AUDIT}/subjects/${id}/erasure`, body: { reason: 'asked for it' } };
  };

export const askingExamples: Record<string, RouteExample> = {
  [`POST ${AUDIT}/subjects/:id/erasure`]: {
    works: eraseSubject(false),
    leaves: [{ action: 'audit.subject_erased', category: 'meta', on: 'audit_subject', keeps: 'nothing' }],
    fails: { status: 409, call: eraseSubject(true) },
  },
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
