import { type Agent } from 'supertest';
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
type Files = Partial<Record<'vrfs' | 'prefixes' | 'ranges' | 'addresses', string>>;

const IMPORTS = '/api/v1/ipam/imports';

/** As NetBox writes them: nested, mixed families, columns nobody here knows, rows that cannot go in. */
const netbox: Required<Files> = {
  vrfs: [
    'id,name,rd,enforce_unique,tenant,description',
    '1,Alpha,65000:100,False,,First',
    '2,Bravo,65000:200,False,,',
    '3,alpha,65000:300,False,,again',
    '4,Other,65000:200,False,,',
    '5,,65000:400,False,,',
    '',
  ].join('\r\n'),
  prefixes: [
    '\uFEFFdescription,prefix,status,vrf,tenant,site,vlan,role,is_pool',
    'all of it,10.0.0.0/8,container,,"Dunder, Inc.",,,,False',
    'deep,10.1.2.0/24,active,,,DM-Akron,100,Access - Data,False',
    'between,10.1.0.0/16,container,,,,,,False',
    'again,10.1.2.0/24,active,,,,,,False',
    '"two\r\nlines",10.9.0.0/24,active,,,,4095,,False',
    "'=1+1,10.2.0.0/24,active,,,,Data (200),,False",
    ',10.1.2.0/24,active,Alpha,,,,,False',
    ',10.1.0.0/16,container,65000:100,,,,,False',
    ',10.5.0.1/24,active,,,,,,False',
    ',10.6.0.0/24,active,Nobody,,,,,False',
    ',2001:db8::/64,active,Bravo (65000:200),,,,,False',
    ',10.1.3.0/25,active,,,,,,False,extra',
    ',10.1.2.64/26,active,,,,,,False',
    '',
  ].join('\r\n'),
  ranges: [
    'start_address,end_address,size,status,vrf,role,description',
    '10.1.2.10/24,10.1.2.19/24,10,active,,DHCP,Phones',
    '10.1.2.15/24,10.1.2.29/24,15,active,,,overlaps',
    '10.1.2.20/24,10.1.2.29/24,10,reserved,,,meets only what was refused',
    '10.1.2.50/24,10.1.2.70/24,21,active,,,into a child',
    '10.2.0.250/24,10.2.1.5/24,12,active,,,leaves',
    '10.1.2.40/24,10.1.2.30/24,11,active,,,backwards',
    '',
  ].join('\n'),
  addresses: [
    'id,address,status,role,vrf,tenant,dns_name,description,nat_inside',
    '1,10.1.2.1/24,active,,,Ops,Web01.Example.NET,front,',
    '2,10.1.2.2/24,reserved,VIP,,,,,',
    '3,10.1.2.3/24,deprecated,,,,,,',
    '4,10.1.2.1/32,active,,,,,,',
    '5,10.1.2.12/24,active,,,,,,',
    '6,10.1.2.65/26,dhcp,,,,,,',
    '7,10.1.2.0/24,active,,,,,,',
    '8,10.1.2.255/24,active,,,,,,',
    '9,10.1.9.1/24,active,,,,,,',
    '10,192.0.2.1/24,active,,,,,,',
    '11,10.1.2.4/24,active,,,,not a host,,',
    '12,10.1.2.1/24,active,,Alpha,,,,',
    '13,10.1.2.01/24,active,,,,,,',
    '14,10.1.2.5/24,parked,,,,,,',
    '15,2001:db8::5/64,slaac,,Bravo,,v6.example.net,,',
    '16,2001:db8::/64,active,,65000:200,,,,',
    '17,10.1.2.25/24,active,,,,,,',
    '',
  ].join('\n'),
};

const refused: [string, number, string][] = [
  ['vrfs', 4, 'duplicate_in_file'],
  ['vrfs', 5, 'vrf_rd_taken'],
  ['vrfs', 6, 'name_missing'],
  ['prefixes', 5, 'duplicate_in_file'],
  ['prefixes', 6, 'vlan_out_of_range'],
  ['prefixes', 11, 'host_bits_set'],
  ['prefixes', 12, 'vrf_unknown'],
  ['prefixes', 14, 'wrong_cell_count'],
  ['ranges', 3, 'overlaps_range'],
  ['ranges', 5, 'address_in_child_pool'],
  ['ranges', 6, 'range_leaves_pool'],
  ['ranges', 7, 'range_backwards'],
  ['addresses', 5, 'duplicate_in_file'],
  ['addresses', 6, 'address_in_range'],
  ['addresses', 8, 'address_is_network_address'],
  ['addresses', 9, 'address_is_broadcast_address'],
  ['addresses', 10, 'pool_holds_no_addresses'],
  ['addresses', 11, 'outside_any_pool'],
  ['addresses', 12, 'bad_hostname'],
  ['addresses', 14, 'leading_zeros'],
  ['addresses', 15, 'unknown_status'],
  ['addresses', 17, 'address_is_network_address'],
  ['addresses', 18, 'address_in_range'],
];

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
  const counts = (report: Report) => Object.fromEntries(report.files.map(({ file, ignoredColumns: _, ...c }) => [file, c]));
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

  it('I18: refuses who may not import, and says what is missing', async () => {
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

  it('I18: a file beyond the limit is refused whole', async () => {
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
