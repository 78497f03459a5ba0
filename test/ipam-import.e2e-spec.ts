import { eventsOf } from './support/audit-events.js';
import { type Agent } from 'supertest';
import { type ImportFiles as Files, netbox, refused } from './support/netbox-files.js';
import { asRole } from './support/sign-in.js';
import { startTestApp, type TestApp } from './support/test-app.js';

interface Problem {
  file: string;
  line: number;
  code: string;
  detail: string;
  value: string;
}
interface FileCounts {
  file: string;
  rows: number;
  created: number;
  unchanged: number;
  differs: number;
  refused: number;
  ignoredColumns: string[];
}
interface Report {
  dryRun: boolean;
  files: FileCounts[];
  problems: Problem[];
  problemCount: number;
}

const IMPORTS = '/api/v1/ipam/imports';

describe('importing what teams already have', () => {
  let t: TestApp;
  let admin: Agent;

  beforeAll(async () => {
    t = await startTestApp();
    admin = await asRole(t, 'admin');
  });
  afterAll(() => t.close());

  const send = (files: Files, query = '', as = admin) => {
    const request = as.post(`${IMPORTS}${query}`);
    for (const [name, text] of Object.entries(files))
      void request.attach(name, Buffer.from(text), { filename: `${name}.csv`, contentType: 'text/csv' });
    return request;
  };
  const run = async (files: Files, query = ''): Promise<Report> => (await send(files, query).expect(200)).body as Report;
  const counts = (report: Report) =>
    Object.fromEntries(
      report.files.map(({ file, rows, created, unchanged, differs, refused: no }) => [
        file,
        { rows, created, unchanged, differs, refused: no },
      ]),
    );
  const codes = (report: Report) => report.problems.map(({ file, line, code }) => [file, line, code]);
  /** One line for all rows of a table. */
  const digest = async (...tables: string[]): Promise<string[]> => {
    const lines = tables.map(async (table) => {
      const [row] = await t.sql<{ d: string | null }>(`SELECT md5(string_agg(x::text, ',' ORDER BY x::text)) AS d FROM ${table} x`);
      return row?.d ?? '';
    });
    return Promise.all(lines);
  };
  const register = ['vrfs', 'pools', 'allocations', 'extents', 'pool_usage', 'pool_alerts', 'jobs'];
  const sound = async () => {
    expect(await t.sql('SELECT network, problem FROM ipam_drift()')).toEqual([]);
  };
  const auditOf = (action: string) =>
    t.sql<{ payload: string }>('SELECT payload FROM audit_events WHERE action = $1 ORDER BY id', [action]);

  it('I18, ASVS 5.2.2: refuses who may not import, and says what is missing', async () => {
    const operator = await asRole(t, 'operator');
    await send({ vrfs: netbox.vrfs }, '', operator).expect(403);
    const json = await admin.post(IMPORTS).send({ vrfs: 'x' }).expect(415);
    expect(json.body).toMatchObject({ code: 'unsupported_media_type' });
    await admin.post('/api/v1/ipam/vrfs').attach('file', Buffer.from('x'), 'x.csv').expect(415);
    const cases: [Files & Record<string, string>, string][] = [
      [{ prefixes: 'network,status\n10.0.0.0/8,active\n' }, 'column_missing'],
      [{ prefixes: '' }, 'column_missing'],
      [{ prefixes: 'prefix,Prefix\n10.0.0.0/8,x\n' }, 'column_twice'],
      [{ addresses: 'address\n"10.0.0.1\n' }, 'not_csv'],
      [{ addresses: 'address\n\0\n' }, 'not_csv'],
      [{ vlans: 'vid\n1\n' }, 'unknown_part'],
    ];
    for (const [files, code] of cases) {
      const answer = await send(files).expect(422);
      expect(answer.body).toMatchObject({ code, errors: [{ pointer: `/${Object.keys(files)[0] ?? ''}` }] });
    }
    const latin = await admin
      .post(IMPORTS)
      .attach('vrfs', Buffer.from([0x6e, 0x61, 0x6d, 0x65, 0x0a, 0xe9]), 'vrfs.csv')
      .expect(422);
    expect(latin.body).toMatchObject({ code: 'not_csv' });
    const empty = await admin.post(IMPORTS).field('dryRun', 'true').expect(422);
    expect(empty.body).toMatchObject({ code: 'no_files' });
    expect(await t.sql(`SELECT FROM pools WHERE kind <> 'root'`)).toEqual([]);
  });

  it('I18: a dry run shows what would change and leaves nothing but its own event', async () => {
    const before = await digest(...register);
    const rehearsal = await run(netbox, '?dryRun=true');
    expect(await digest(...register)).toEqual(before);
    expect(await auditOf('import.previewed')).toHaveLength(1);
    expect(
      await t.sql(`SELECT FROM audit_events WHERE action IN ('vrf.created', 'pool.created', 'allocation.created', 'import.completed')`),
    ).toEqual([]);
    const real = await run(netbox);
    expect({ ...real, dryRun: true }).toEqual(rehearsal);
  });

  it('I18: saved the good rows and reported every other one with its line', async () => {
    const again = await run(netbox, '?dryRun=true');
    expect(codes(again)).toEqual(refused);
    expect(again.problems[4]).toEqual({
      file: 'prefixes',
      line: 6,
      code: 'vlan_out_of_range',
      detail: 'A VLAN is a number from 1 to 4094, not 4095.',
      value: '10.9.0.0/24',
    });
    expect(again.files.map(({ ignoredColumns }) => ignoredColumns)).toEqual([
      ['id', 'enforce_unique', 'tenant'],
      ['is_pool'],
      ['size'],
      ['id', 'nat_inside'],
    ]);
    const pools = await t.sql(
      `SELECT v.name AS vrf, p.network, p.kind, r.network AS parent, p.site, p.vlan, p.tags, p.description, p.name FROM pools p
         JOIN vrfs v ON v.id = p.vrf_id JOIN pools r ON r.id = p.parent_id WHERE p.kind <> 'root' ORDER BY v.name COLLATE "C", p.network`,
    );
    const plain = { site: null, vlan: null, tags: [], description: '' };
    expect(pools).toEqual([
      { ...plain, vrf: 'Alpha', network: '10.1.0.0/16', kind: 'container', parent: '0.0.0.0/0', name: '10.1.0.0/16' },
      { ...plain, vrf: 'Alpha', network: '10.1.2.0/24', kind: 'subnet', parent: '10.1.0.0/16', name: '10.1.2.0/24' },
      { ...plain, vrf: 'Bravo', network: '2001:db8::/64', kind: 'subnet', parent: '::/0', name: '2001:db8::/64' },
      // prettier-ignore
      { ...plain, vrf: 'default', network: '10.0.0.0/8', kind: 'container', parent: '0.0.0.0/0', name: '10.0.0.0/8', tags: ['tenant:Dunder, Inc.'], description: 'all of it' },
      {
        ...plain,
        vrf: 'default',
        network: '10.1.0.0/16',
        kind: 'container',
        parent: '10.0.0.0/8',
        name: '10.1.0.0/16',
        description: 'between',
      },
      // prettier-ignore
      { ...plain, vrf: 'default', network: '10.1.2.0/24', kind: 'subnet', parent: '10.1.0.0/16', name: '10.1.2.0/24', site: 'DM-Akron', vlan: 100, tags: ['role:Access - Data'], description: 'deep' },
      { ...plain, vrf: 'default', network: '10.1.2.64/26', kind: 'subnet', parent: '10.1.2.0/24', name: '10.1.2.64/26' },
      {
        ...plain,
        vrf: 'default',
        network: '10.2.0.0/24',
        kind: 'subnet',
        parent: '10.0.0.0/8',
        name: '10.2.0.0/24',
        vlan: 200,
        description: '=1+1',
      },
    ]);
    const held = await t.sql(
      `SELECT host(a.address) AS first, host(a.last_address) AS last, p.network AS pool, a.status, a.hostname, a.owner, a.purpose, a.description
         FROM allocations a JOIN pools p ON p.id = a.pool_id JOIN vrfs v ON v.id = a.vrf_id ORDER BY v.name COLLATE "C", a.address`,
    );
    const bare = { status: 'allocated', hostname: null, owner: null, purpose: null, description: '' };
    const at = (first: string, pool: string, rest: object = {}, last = first) => ({ ...bare, first, last, pool, ...rest });
    expect(held).toEqual([
      at('10.1.2.1', '10.1.2.0/24'),
      at('2001:db8::5', '2001:db8::/64', { hostname: 'v6.example.net' }),
      at('10.1.2.1', '10.1.2.0/24', { hostname: 'web01.example.net', owner: 'Ops', description: 'front' }),
      at('10.1.2.2', '10.1.2.0/24', { status: 'reserved', purpose: 'VIP' }),
      at('10.1.2.3', '10.1.2.0/24'),
      at('10.1.2.10', '10.1.2.0/24', { status: 'reserved', purpose: 'DHCP', description: 'Phones' }, '10.1.2.19'),
      at('10.1.2.20', '10.1.2.0/24', { status: 'reserved', description: 'meets only what was refused' }, '10.1.2.29'),
      at('10.1.2.65', '10.1.2.64/26'),
    ]);
    await sound();
  });

  it('I18: a second run changes nothing and reports what the first one did', async () => {
    const before = await digest(...register);
    const events = (await auditOf('import.completed')).length;
    const again = await run(netbox);
    expect(counts(again)).toEqual({
      vrfs: { rows: 5, created: 0, unchanged: 2, differs: 0, refused: 3 },
      prefixes: { rows: 13, created: 0, unchanged: 8, differs: 0, refused: 5 },
      ranges: { rows: 6, created: 0, unchanged: 2, differs: 0, refused: 4 },
      addresses: { rows: 17, created: 0, unchanged: 6, differs: 0, refused: 11 },
    });
    expect(codes(again)).toEqual(refused);
    expect(await digest(...register)).toEqual(before);
    expect(await auditOf('import.completed')).toHaveLength(events + 1);
  });

  it('I18: leaves one event a run and one an object, by the one who ran it', async () => {
    const runs = await auditOf('import.completed');
    expect(runs).toHaveLength(2);
    const made = { 'vrf.created': 2, 'pool.created': 8, 'allocation.created': 8 };
    for (const [action, n] of Object.entries(made)) expect(await auditOf(action)).toHaveLength(n);
    const pools = (await auditOf('pool.created')).map(({ payload }) => JSON.parse(payload) as Record<string, unknown>);
    expect(pools.find(({ resource }) => (resource as { name: string }).name === '10.1.2.64/26')).toMatchObject({
      category: 'ipam',
      outcome: 'success',
      actor: { kind: 'user' },
      request: { route: IMPORTS },
      resource: { type: 'pool' },
      after: { network: '10.1.2.64/26', kind: 'subnet', tags: [], cooldownSeconds: 86_400 },
    });
    const addresses = (await auditOf('allocation.created')).map(({ payload }) => JSON.parse(payload) as { after: object });
    expect(addresses.map(({ after }) => after)).toContainEqual(
      expect.objectContaining({ address: '10.1.2.65', lastAddress: '10.1.2.65', status: 'allocated' }),
    );
  });

  it('I18: what is stored with other content stays, and is reported with what differs', async () => {
    const report = await run({
      vrfs: 'name,description\nAlpha,Changed\nBravo,\n',
      prefixes: 'prefix,status,site,description\n10.1.2.0/24,active,Elsewhere,deep\n10.1.2.64/26,container,,\n',
      ranges: 'start_address,end_address,role\n10.1.2.10,10.1.2.19,Printers\n10.1.2.10,10.1.2.18,\n',
      addresses: 'address,status,dns_name\n10.1.2.1,reserved,web02.example.net\n10.1.2.2,reserved,\n',
    });
    expect(report.problems.map(({ file, line, code, detail }) => ({ file, line, code, detail }))).toEqual([
      { file: 'vrfs', line: 2, code: 'differs', detail: 'The stored VRF has another description; it stays.' },
      { file: 'prefixes', line: 2, code: 'differs', detail: 'The stored pool has another site; it stays.' },
      { file: 'prefixes', line: 3, code: 'differs', detail: 'The stored pool has another kind; it stays.' },
      { file: 'ranges', line: 2, code: 'differs', detail: 'The stored one has another purpose; it stays.' },
      { file: 'ranges', line: 3, code: 'overlaps_range', detail: 'An earlier line has a range that overlaps this one.' },
      { file: 'addresses', line: 2, code: 'differs', detail: 'The stored one has another status, host name; it stays.' },
    ]);
    expect(report.files.reduce((sum, { created }) => sum + created, 0)).toBe(0);
    expect(report.files.reduce((sum, { unchanged }) => sum + unchanged, 0)).toBe(2);
  });

  it('I18: new pools take over what they cover, and are refused where they cannot', async () => {
    await run({
      vrfs: 'name\nMoves\n',
      prefixes: 'vrf,prefix,status,gateway\nMoves,10.0.0.0/16,active,10.0.0.1\nMoves,10.0.8.0/24,active,\n',
      ranges: 'vrf,start_address,end_address\nMoves,10.0.4.10,10.0.4.40\n',
      addresses: 'vrf,address\nMoves,10.0.2.5\nMoves,10.0.3.0\nMoves,10.0.5.7\nMoves,10.0.9.128\n',
    });
    const report = await run({
      prefixes: [
        'vrf,prefix,status,name,gateway',
        'Moves,10.0.2.0/24,active,,',
        'Moves,10.0.2.0/23,active,,',
        'Moves,10.0.3.0/24,active,,',
        'Moves,10.0.4.0/27,active,,',
        'Moves,10.0.4.0/26,active,,',
        'Moves,10.0.5.0/24,container,,',
        'Moves,10.0.0.0/24,active,,',
        'Moves,10.0.8.0/22,active,Hall,10.0.9.128',
        'Moves,10.0.8.0/21,active,Hall,10.0.8.77',
        'Moves,10.0.10.0/24,active,hall,',
        'Moves,10.0.10.0/25,active,Lab,10.0.10.1',
        'Moves,10.0.10.0/26,active,Bench,',
        'Moves,0.0.0.0/1,container,,',
      ].join('\n'),
    });
    expect(codes(report)).toEqual([
      ['prefixes', 4, 'address_is_network_address'],
      ['prefixes', 5, 'pool_cuts_range'],
      ['prefixes', 7, 'pool_holds_addresses'],
      ['prefixes', 8, 'address_is_gateway'],
      ['prefixes', 9, 'address_taken'],
      ['prefixes', 10, 'pool_name_taken'],
      ['prefixes', 11, 'pool_name_taken'],
      ['prefixes', 13, 'address_is_gateway'],
    ]);
    const tree = await t.sql(
      `SELECT p.network, r.network AS parent, (SELECT array_agg(host(a.address) ORDER BY a.address) FROM allocations a WHERE a.pool_id = p.id) AS held
         FROM pools p JOIN vrfs v ON v.id = p.vrf_id AND v.name = 'Moves' JOIN pools r ON r.id = p.parent_id ORDER BY p.network`,
    );
    expect(tree).toEqual([
      { network: '0.0.0.0/1', parent: '0.0.0.0/0', held: null },
      { network: '10.0.0.0/16', parent: '0.0.0.0/1', held: ['10.0.5.7', '10.0.9.128'] },
      { network: '10.0.2.0/23', parent: '10.0.0.0/16', held: ['10.0.3.0'] },
      { network: '10.0.2.0/24', parent: '10.0.2.0/23', held: ['10.0.2.5'] },
      { network: '10.0.4.0/26', parent: '10.0.0.0/16', held: ['10.0.4.10'] },
      { network: '10.0.8.0/24', parent: '10.0.0.0/16', held: null },
      { network: '10.0.10.0/25', parent: '10.0.0.0/16', held: null },
    ]);
    await sound();
  });

  it('I18: loads a crowded pool whole, around what is held there', async () => {
    await run({ vrfs: 'name\nCrowd\n', prefixes: 'vrf,prefix\nCrowd,10.0.0.0/20\n', addresses: 'vrf,address\nCrowd,10.0.0.8\n' });
    const rows = Array.from({ length: 1500 }, (_, i) => `Crowd,10.0.${Math.floor((2 * i) / 256)}.${(2 * i) % 256}`);
    const report = await run({ addresses: ['vrf,address', ...rows].join('\n') });
    expect(counts(report).addresses).toEqual({ rows: 1500, created: 1498, unchanged: 1, differs: 0, refused: 1 });
    expect(codes(report)).toEqual([['addresses', 2, 'address_is_network_address']]);
    await sound();
  });

  it('I17: an export, imported into an empty register, gives the same rows', async () => {
    await t.sql(
      `UPDATE pools SET tags = ARRAY['a,b', 'role:x', 'say "hi"', 'tenant:y'], environment = 'lab', active = false, cooldown_seconds = 60 WHERE network = '10.2.0.0/24'`,
    );
    await t.sql(
      `UPDATE allocations SET description = E'@SUM(A1)\\r\\n"quoted", \\'=x ', mac = 'aa:bb:cc:dd:ee:ff' WHERE hostname = 'web01.example.net'`,
    );
    await t.sql(`UPDATE allocations SET status = 'blocked' WHERE address = '10.1.2.20' AND status = 'reserved'`);
    const operator = await asRole(t, 'operator');
    const files: Files = {};
    for (const kind of ['vrfs', 'prefixes', 'ranges', 'addresses'] as const) {
      const answer = await operator.get(`/api/v1/ipam/exports/${kind}.csv`).expect(200).expect('content-type', 'text/csv; charset=utf-8');
      files[kind] = answer.text;
    }
    expect(files.prefixes).toContain(`,'=1+1,`);
    const other = await startTestApp();
    try {
      const otherAdmin = await asRole(other, 'admin');
      const report = (await send(files, '', otherAdmin).expect(200)).body as Report;
      expect(report.problems).toEqual([]);
      const rows = (app: TestApp) =>
        Promise.all([
          app.sql(`SELECT name, rd, description, is_default FROM vrfs ORDER BY name`),
          // prettier-ignore
          app.sql(`SELECT v.name AS vrf, p.kind, p.name, p.network, r.network AS parent, p.gateway, p.vlan, p.site, p.environment, p.tags, p.description, p.active, p.cooldown_seconds
                     FROM pools p JOIN vrfs v ON v.id = p.vrf_id LEFT JOIN pools r ON r.id = p.parent_id ORDER BY v.name, p.network, p.kind`),
          // prettier-ignore
          app.sql(`SELECT v.name AS vrf, p.network AS pool, a.address, a.last_address, a.status, a.hostname, a.mac, a.owner, a.purpose, a.description
                     FROM allocations a JOIN vrfs v ON v.id = a.vrf_id JOIN pools p ON p.id = a.pool_id ORDER BY v.name, a.address`),
        ]);
      expect(await rows(other)).toEqual(await rows(t));
      const second = (await send(files, '', otherAdmin).expect(200)).body as Report;
      expect(second.files.every(({ rows: n, unchanged }) => n === unchanged)).toBe(true);
    } finally {
      await other.close();
    }
  });

  it('I17: exports one VRF alone, and no VRF that is none', async () => {
    const [alpha] = await t.sql<{ id: string }>(`SELECT id FROM vrfs WHERE name = 'Alpha'`);
    const answer = await admin.get(`/api/v1/ipam/exports/addresses.csv?vrfId=${alpha?.id ?? ''}`).expect(200);
    expect(answer.text.split('\r\n')).toEqual([
      'address,status,vrf,tenant,role,dns_name,description,mac',
      '10.1.2.1/32,active,Alpha,,,,,',
      '',
    ]);
    await admin.get('/api/v1/ipam/exports/addresses.csv?vrfId=00000000-0000-7000-8000-000000000000').expect(404);
    await admin.get('/api/v1/ipam/exports/addresses.csv?vrf=Alpha').expect(400);
    const viewer = await asRole(t, 'viewer');
    await viewer.get('/api/v1/ipam/exports/addresses.csv').expect(403);
  });

  it('I17: allocates and releases in bulk, each item with its own result', async () => {
    await run({
      vrfs: 'name\nBulk\n',
      prefixes: 'vrf,prefix\nBulk,10.0.0.0/29\n',
      addresses: 'vrf,address\nBulk,10.0.0.1\nBulk,10.0.0.2\n',
    });
    const [pool] = await t.sql<{ id: string; vrf_id: string }>(
      `SELECT p.id, p.vrf_id FROM pools p JOIN vrfs v ON v.id = p.vrf_id AND v.name = 'Bulk' WHERE p.kind = 'subnet'`,
    );
    const held = await t.sql<{ id: string }>(`SELECT id FROM allocations WHERE pool_id = $1 ORDER BY address`, [pool?.id]);
    const items = [
      { op: 'allocate', poolId: pool?.id, hostname: 'a.example.net' },
      { op: 'allocate', vrfId: pool?.vrf_id, address: '10.0.0.5', status: 'reserved' },
      { op: 'allocate', vrfId: pool?.vrf_id, address: '10.0.0.2' },
      { op: 'allocate', vrfId: pool?.vrf_id, address: '192.0.2.1' },
      { op: 'allocate', poolId: pool?.id, address: '10.0.0.7' },
      { op: 'allocate', poolId: pool?.id, hostname: 'not a host' },
      { op: 'release', id: held[0]?.id, version: 1 },
      { op: 'release', id: held[1]?.id, version: 7 },
      { op: 'release', id: held[0]?.id },
      { op: 'allocate' },
      { op: 'move' },
    ];
    const outcomes = ['created', 'created', ...Array<string>(4).fill('refused'), 'released', ...Array<string>(4).fill('refused')];
    // prettier-ignore
    const errors = [undefined, undefined, 'address_taken', 'outside_any_pool', 'address_is_broadcast_address', 'invalid_body', undefined, 'stale_version',
      'allocation_released', 'pool_required', 'unknown_op'];
    const operator = await asRole(t, 'operator');
    const bulk = (body: object) => operator.post('/api/v1/ipam/allocations/bulk').send(body);
    const before = await digest(...register);
    interface Bulk {
      dryRun: boolean;
      done: number;
      refused: number;
      results: { index: number; outcome: string; allocation?: { address: string }; error?: { code: string } }[];
    }
    const rehearsal = (await bulk({ items, dryRun: true }).set('idempotency-key', 'rehearsal-of-bulk').expect(200)).body as Bulk;
    expect(await digest(...register)).toEqual(before);
    const events = (await t.sql('SELECT FROM audit_events')).length;
    const real = (await bulk({ items }).set('x-request-id', 'bulk-for-real').expect(200)).body as Bulk;
    for (const report of [rehearsal, real]) {
      expect(report).toMatchObject({ done: 3, refused: 8 });
      expect(report.results.map(({ index }) => index)).toEqual(items.map((_, i) => i));
      expect(report.results.map(({ outcome }) => outcome)).toEqual(outcomes);
      expect(report.results.map(({ error }) => error?.code)).toEqual(errors);
    }
    expect(real.results[0]?.allocation?.address).toBe('10.0.0.3');
    // One for each that was done, and one for the whole; what was refused is counted there.
    expect((await t.sql('SELECT FROM audit_events')).length - events).toBe(4);
    expect((await eventsOf(t, 'correlation_id = $1', 'bulk-for-real')).at(-1)).toMatchObject({
      action: 'allocation.batch_completed',
      detail: { done: 3, refused: 8 },
    });
    await sound();
    await bulk({ items: [] }).expect(422);
    await bulk({ items: Array.from({ length: 501 }, () => ({ op: 'move' })) }).expect(422);
    await (await asRole(t, 'viewer')).post('/api/v1/ipam/allocations/bulk').send({ items }).expect(403);
  });

  it('I18, ASVS 5.2.1: a file beyond the limit is refused whole', async () => {
    const small = await startTestApp({ CADASTRE_UPLOAD_LIMIT: '2048' }, t.database);
    try {
      const agent = await asRole(small, 'admin');
      const files = { vrfs: 'name\nToo late\n', addresses: `address\n${'10.1.2.99\n'.repeat(500)}` };
      const answer = await send(files, '', agent).expect(413);
      expect(answer.body).toMatchObject({ code: 'body_too_large' });
      expect(await t.sql(`SELECT FROM vrfs WHERE name = 'Too late'`)).toEqual([]);
    } finally {
      await small.close();
    }
  });
});
