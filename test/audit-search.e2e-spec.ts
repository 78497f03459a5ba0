import { readFileSync } from 'node:fs';
import { type Agent } from 'supertest';
import { alertSteps } from '../src/audit/detection/alert-steps.js';
import { detectionRules } from '../src/audit/detection/detection-rules.js';
import { actionWords, isAmong, patternsOf } from '../src/audit/log/action-words.js';
import { type AuditEventPage } from '../src/audit/log/audit-event.dto.js';
import { AuditLogRepository } from '../src/audit/log/audit-log.repository.js';
import { type AuditQuestion, auditQuery } from '../src/audit/log/audit-query.js';
import { ocsfClasses, ocsfMapping } from '../src/audit/reports/ocsf.js';
import { pciRequirements } from '../src/audit/reports/pci-requirements.js';
import { type AuditEvent } from '../src/audit/trail/audit-event.js';
import { AuditTrail } from '../src/audit/trail/audit-trail.js';
import { type RequestContext, runInContext } from '../src/platform/context/request-context.js';
import { allFiled, eventsOf, holdFiling } from './support/audit-events.js';
import { asRole } from './support/sign-in.js';
import { startTestApp, type TestApp } from './support/test-app.js';

const EVENTS = '/api/v1/audit/events';
const AUDIT = '/api/v1/audit';

const ann = { kind: 'user', id: 'id-of-ann', name: 'Ann O’Neill' };
const bob = { kind: 'user', id: 'id-of-bob', name: `bob\\'"; --` };

interface Told extends Partial<AuditEvent> {
  from?: string;
}

/** What is asked for by its number. */
const told: Told[] = [
  {
    action: 'pool.created',
    actor: ann,
    from: '10.1.2.3',
    resource: { type: 'pool', id: 'p1', name: 'web01.example.net' },
    after: { a: 1 },
  },
  { action: 'pool.updated', actor: ann, from: '10.1.9.9', resource: { type: 'pool', id: 'p1' }, before: { a: 1 }, after: { a: 2 } },
  { action: 'pool.deleted', actor: bob, from: '2001:db8::1', resource: { type: 'pool', id: 'p1' }, before: { a: 2 }, flags: ['sox'] },
  { action: 'pool.threshold_reached', actor: bob, detail: { reason: 'Heron, under-the "loud" viaduct' } },
  { action: 'poolside.created', actor: bob, detail: { address: '192.0.2.77' }, flags: ['gdpr', 'sox'] },
  { action: 'work_session.created', actor: bob },
  { action: 'workXsession.created', actor: bob, detail: { words: 'overpool' } },
  { action: 'request.failed', actor: ann, outcome: 'failure', severity: 'high', resource: { type: 'route', id: 'PATCH /pools' } },
];

describe('asking the trail', () => {
  let t: TestApp;
  let auditor: Agent;

  async function tell(): Promise<void> {
    for (const [n, { from, ...event }] of told.entries()) {
      const context: RequestContext = { requestId: `asked-${n}`, ...(from === undefined ? {} : { clientAddress: from }) };
      await runInContext(context, () =>
        t.app.get(AuditTrail).recordAlone({ action: 'none', category: 'ipam', ...event, detail: { ...event.detail, n } }),
      );
    }
  }

  async function found(query: Record<string, string>): Promise<number[]> {
    const answer = await auditor
      .get(EVENTS)
      .query({ limit: 1000, category: 'ipam', ...query })
      .expect(200);
    return (answer.body as AuditEventPage).items.map(({ detail }) => (detail as { n: number }).n).reverse();
  }

  beforeAll(async () => {
    t = await startTestApp();
    auditor = await asRole(t, 'auditor');
  });

  afterAll(() => t.close());

  const questions: [Record<string, string>, number[]][] = [
    [{ action: 'pool.*' }, [0, 1, 2, 3]],
    [{ action: 'work_*' }, [5]],
    [{ action: '*.created' }, [0, 4, 5, 6]],
    [{ action: 'nothing.*' }, []],
    [{ action: 'CREATE' }, [0, 4, 5, 6]],
    [{ action: 'UPDATE' }, [1]],
    [{ action: 'DELETE' }, [2]],
    [{ action: 'ERROR' }, [7]],
    [{ action: 'APPROVE' }, []],
    [{ action: 'create' }, []],
    [{ actorName: 'ann o’neill' }, [0, 1, 7]],
    [{ actorName: `bob\\'"; --` }, [2, 3, 4, 5, 6]],
    [{ actorName: 'ann' }, []],
    [{ clientAddress: '10.1.2.3' }, [0]],
    [{ clientAddress: '10.1.0.0/16' }, [0, 1]],
    [{ clientAddress: '2001:db8::/32' }, [2]],
    [{ clientAddress: '::ffff:10.1.2.3' }, [0]],
    [{ clientAddress: '0.0.0.0/0' }, [0, 1]],
    [{ flag: 'sox' }, [2, 4]],
    [{ flag: 'gdpr' }, [4, 5]],
    [{ flag: 'so' }, []],
    [{ text: 'web01.example.net' }, [0]],
    [{ text: 'EXAMPLE web01' }, [0]],
    [{ text: 'exam*' }, [0]],
    [{ text: 'exam' }, []],
    [{ text: 'under-the' }, [3]],
    [{ text: '"loud" heron,' }, [3]],
    [{ text: '192.0.2.77' }, [4]],
    [{ text: 'pool' }, [0, 1, 2, 3]],
    [{ text: 'neill pool' }, []],
    [{ text: 'o’neill pool' }, [0, 1]],
    [{ text: '!!! ,' }, []],
    [{ text: `'; DROP TABLE | & ! ( :*` }, []],
    [{ text: 'pool', flag: 'sox', clientAddress: '2001:db8::1', actor: 'id-of-bob' }, [2]],
  ];

  describe.each(['in the inbox', 'in the log'])('%s', (place) => {
    let letFile: (() => Promise<void>) | undefined;

    beforeAll(async () => {
      if (place === 'in the log') return;
      letFile = await holdFiling(t);
      await tell();
    });

    afterAll(async () => {
      await letFile?.();
      await allFiled(t);
    });

    it.each(questions)('A11: %j finds exactly what it says', async (query, expected) => {
      expect(await found(query)).toEqual(expected);
    });
  });

  it('A11: every word of older systems stands for patterns, and a pattern is the same in SQL as here', async () => {
    expect(Object.keys(actionWords)).toEqual(
      expect.arrayContaining(['CREATE', 'READ', 'BULK_READ', 'UPDATE', 'DELETE', 'LOGIN', 'LOGOUT']),
    );
    expect(Object.keys(actionWords)).toEqual(
      expect.arrayContaining(['AUTHENTICATE', 'AUTHORIZE', 'APPROVE', 'REJECT', 'DOWNLOAD', 'UPLOAD']),
    );
    expect(Object.keys(actionWords)).toEqual(expect.arrayContaining(['AGENT_EXECUTION', 'ERROR']));
    const actions = (await t.sql<{ action: string }>('SELECT action FROM audit_actions ORDER BY 1')).map(({ action }) => action);
    expect(actions).toEqual(expect.arrayContaining(['pool.created', 'login.succeeded']));
    for (const word of Object.keys(actionWords)) {
      const patterns = patternsOf(word)!;
      const inSql = await t.app.get(AuditLogRepository).actionsLike(patterns);
      expect({ word, actions: inSql }).toEqual({ word, actions: actions.filter((action) => isAmong(action, patterns)) });
    }
  });

  it.each(['clientAddress=10.0.0.1/8', 'clientAddress=host', 'clientAddress=fe80::1%25eth0', 'text=%00'])(
    'A11: %s is refused with 400',
    async (query) => {
      await auditor.get(`${EVENTS}?${query}`).expect(400);
    },
  );

  it('A11: of oneself one asks with the same filters', async () => {
    const user = await asRole(t, 'viewer');
    const own = async (query: object): Promise<string[]> =>
      ((await user.get('/api/v1/me/audit-events').query(query).expect(200)).body as AuditEventPage).items.map(({ action }) => action);
    expect(await own({ action: 'LOGIN' })).toEqual(['login.succeeded']);
    expect(await own({ clientAddress: '127.0.0.0/8', text: 'login' })).toEqual(['login.succeeded']);
    await user.get('/api/v1/me/audit-events?actorName=ann').expect(400);
  });

  describe('A13: one thing’s life', () => {
    const ask = async (query: object): Promise<AuditEventPage> =>
      (
        await auditor
          .get(`${AUDIT}/timeline`)
          .query({ resourceType: 'pool', resourceId: 'p1', ...query })
          .expect(200)
      ).body as AuditEventPage;

    it('A13: is told from its beginning with every change, or backwards, page by page', async () => {
      const { items } = await ask({});
      expect(items).toMatchObject([
        { action: 'pool.created', after: { a: 1 } },
        { action: 'pool.updated', changes: [{ field: 'a', before: 1, after: 2 }] },
        { action: 'pool.deleted', before: { a: 2 } },
      ]);
      expect((await ask({ order: 'newest' })).items).toEqual(items.toReversed());
      const first = await ask({ limit: 2 });
      const second = await ask({ limit: 2, after: first.next });
      expect([...first.items, ...second.items, second.next]).toEqual([...items, null]);
    });

    it('A12: is in the trail, and needs both the kind and the id', async () => {
      await auditor.get(`${AUDIT}/timeline?resourceType=pool&resourceId=p1`).set('x-request-id', 'asking-a-timeline').expect(200);
      expect(await eventsOf(t, 'correlation_id = $1', 'asking-a-timeline')).toMatchObject([
        { action: 'audit.read', detail: { question: 'timeline', filters: { resourceType: 'pool', resourceId: 'p1' }, count: 3 } },
      ]);
      await auditor.get(`${AUDIT}/timeline?resourceType=pool`).expect(400);
    });
  });
});

describe('docs/audit-search.md', () => {
  const rows = readFileSync(new URL('../docs/audit-search.md', import.meta.url), 'utf8')
    .split('\n')
    .map((line) => line.replaceAll(/\s+/g, ' '));
  const code = (texts: readonly string[]): string => texts.map((text) => `\`${text}\``).join(', ');
  const tables: Record<string, string[][]> = {
    words: Object.entries(actionWords).map(([word, patterns]) => [`\`${word}\``, code(patterns)]),
    requirements: Object.entries(pciRequirements).map(([id, { text, actions, notRecorded }]) => [
      id,
      text,
      code(actions),
      notRecorded ?? '',
    ]),
    classes: ocsfMapping.map(({ actions, as, activity }) => [
      code(actions),
      `${ocsfClasses[as].name} (${ocsfClasses[as].uid})`,
      String(activity),
    ]),
    rules: Object.entries(detectionRules).map(([name, rule]) => [
      `\`${name}\``,
      code(rule.actions),
      rule.subject,
      String(rule.threshold),
      `${rule.windowSeconds} s`,
      `${rule.cooldownSeconds} s`,
      rule.severity,
    ]),
    steps: Object.entries(alertSteps).map(([from, to]) => [from, to.join(', ') || 'nothing']),
  };

  it.each(Object.entries(tables))('O9: has the %s of the program', (_name, table) => {
    const missing = table.map((cells) => `| ${cells.join(' | ')} |`.replaceAll(/\s+/g, ' ')).filter((row) => !rows.includes(row));
    expect(missing).toEqual([]);
  });
});

describe('a log of 40 000 events', () => {
  let t: TestApp;

  beforeAll(async () => {
    t = await startTestApp({ CADASTRE_JOBS: 'false' });
    await t.sql(`
      INSERT INTO audit_log (class, seq, sealed_at, occurred_at, recorded_at, id, xid, actor_id, action, category, severity, outcome,
                             resource_type, resource_id, client_ip, correlation_id, flags, payload, leaf, emit_mac)
      SELECT 3, 1000000 + n, now(), now(), now(), uuidv7(n * interval '1 ms'), '1', 'actor-' || n % 400, 'noun' || n % 200 || '.verb' || n % 2, 'ipam',
             CASE WHEN n % 400 = 1 THEN 'critical' ELSE 'info' END, CASE WHEN n % 400 = 2 THEN 'denied' ELSE 'success' END,
             'type-' || n % 4, 'resource-' || n % 400, ('10.' || n % 200 || '.' || n % 7 || '.' || n % 250)::inet, 'correlation-' || n % 20000,
             CASE WHEN n % 1000 = 0 THEN '{sox}'::text[] ELSE '{}' END,
             jsonb_build_object('action', 'noun' || n % 200 || '.verb' || n % 2, 'category', 'ipam', 'severity', 'info', 'outcome', 'success', 'at', now(),
               'flags', '[]'::jsonb, 'actor', jsonb_build_object('id', 'actor-' || n % 400, 'name', 'Name ' || n % 400),
               'detail', jsonb_build_object('host', 'web' || n || '.example.net', 'common', 'viaduct')),
             sha256('x'), sha256('x')
        FROM generate_series(1, 40000) n`);
    // The default target, as autovacuum would.
    await t.sql('VACUUM ANALYZE audit_log');
  });

  afterAll(() => t.close());

  it.each<[AuditQuestion]>([
    [{ action: 'noun7.*' }],
    [{ action: '*.verb1' }],
    [{ action: 'noun7.verb1' }],
    [{ actorName: 'Name 7' }],
    [{ clientAddress: '10.7.0.7' }],
    [{ clientAddress: '10.7.0.0/16' }],
    [{ flag: 'sox' }],
    [{ text: 'web777.example.net' }],
    [{ text: 'viaduct' }],
    [{ text: 'viaduct web777' }],
    [{ actor: 'actor-7', text: 'viaduct' }],
    [{ resourceType: 'type-3', resourceId: 'resource-7' }],
    [{ severities: ['high', 'critical'] }],
  ])('A11: %j looks at a page, not at the log, by an index', async (question) => {
    const asked = await t.app.get(AuditLogRepository).understood(question);
    for (const order of ['newest', 'oldest'] as const) {
      const { sql, parameters } = auditQuery(asked, { limit: 50, order });
      const [explained] = await t.sql<{ 'QUERY PLAN': [{ Plan: PlanNode }] }>(`EXPLAIN (ANALYZE, FORMAT JSON) ${sql}`, parameters);
      const plan = explained!['QUERY PLAN'][0].Plan;
      expect({ order, walks: walks(plan), rows: rowsLookedAt(plan) < 1000 }).toEqual({ order, walks: [], rows: true });
    }
  });
});

interface PlanNode {
  'Node Type': string;
  'Relation Name'?: string;
  'Actual Rows': number;
  'Rows Removed by Filter'?: number;
  Plans?: PlanNode[];
}

/** Partitions with rows that were read from end to end. */
function walks(node: PlanNode): string[] {
  const own = node['Node Type'] === 'Seq Scan' && node['Relation Name']?.startsWith('audit_log') === true && node['Actual Rows'] > 0;
  return [...(own ? [node['Relation Name'] ?? ''] : []), ...(node.Plans ?? []).flatMap(walks)];
}

/** How many rows of the log's partitions a plan touched. */
function rowsLookedAt(node: PlanNode): number {
  const own = node['Relation Name']?.startsWith('audit_log') === true ? node['Actual Rows'] + (node['Rows Removed by Filter'] ?? 0) : 0;
  return own + (node.Plans ?? []).reduce((sum, child) => sum + rowsLookedAt(child), 0);
}
