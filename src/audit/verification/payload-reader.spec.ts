import fc from 'fast-check';
import { canonicalJson, type Json } from '../../kernel/canonical-json.js';
import { COPIED, CopiedRow } from './copied-row.js';
import { LeafInput } from './leaf-input.js';
import { PayloadReader } from './payload-reader.js';
import { expectedColumns } from './projection.js';

const ID = '0199f0c4-1a6f-7e5f-8f0e-9d1e0d5f6f0a';
const AT = '2026-11-20T18:26:23.644Z';
const event: Json & object = {
  v: 1,
  id: ID,
  at: AT,
  action: 'allocation.created',
  category: 'ipam',
  severity: 'info',
  outcome: 'success',
  flags: ['out_of_hours', 'new_device'],
  actor: { id: 'someone', kind: 'user', roles: ['operator'] },
  resource: { id: 'thing-1', type: 'thing' },
  request: { clientIp: '10.1.2.3', method: 'POST' },
  correlationId: 'c-1',
  detail: { n: -1.5e7, note: 'say "no" \\ yes\n', none: null, deep: [{ action: 'other' }, [], {}, true, false] },
};

/** What the row has beside such an event. */
const columns: Record<keyof typeof COPIED, Buffer | null> = {
  seq: int64(7n),
  sealedAt: int64(0n),
  xid: int64(1n),
  id: Buffer.from(ID.replaceAll('-', ''), 'hex'),
  leaf: Buffer.alloc(32),
  mac: Buffer.alloc(32),
  payload: Buffer.alloc(0),
  occurredAt: int64(BigInt(Date.parse(AT) - Date.UTC(2000, 0, 1)) * 1000n),
  actorId: Buffer.from('someone'),
  action: Buffer.from('allocation.created'),
  category: Buffer.from('ipam'),
  severity: Buffer.from('info'),
  outcome: Buffer.from('success'),
  resourceType: Buffer.from('thing'),
  resourceId: Buffer.from('thing-1'),
  clientIp: Buffer.from('10.1.2.3'),
  correlationId: Buffer.from('c-1'),
  flags: textArray(['out_of_hours', 'new_device']),
  names: null,
  salt: null,
};

function int64(value: bigint): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigInt64BE(value);
  return bytes;
}

function int32(...values: number[]): Buffer {
  const bytes = Buffer.alloc(values.length * 4);
  values.forEach((value, i) => bytes.writeInt32BE(value, i * 4));
  return bytes;
}

function textArray(items: string[], from = 1): Buffer {
  if (items.length === 0) return int32(0, 0, 25);
  return Buffer.concat([
    int32(1, 0, 25, items.length, from),
    ...items.flatMap((item) => [int32(Buffer.byteLength(item)), Buffer.from(item)]),
  ]);
}

const reader = new PayloadReader();

/** Whether it is sure of a payload beside these columns. */
function agrees(payload: string | Buffer, changed: Partial<typeof columns> = {}): boolean {
  const all = { ...columns, payload: Buffer.from(payload), ...changed };
  const names = Object.keys(COPIED) as (keyof typeof COPIED)[];
  const fields = names.map((name) => all[name]).flatMap((value) => (value ? [int32(value.length), value] : [int32(-1)]));
  const row = new CopiedRow();
  expect(row.read(Buffer.concat([Buffer.of(0, names.length), ...fields]), 0)).toBe(true);
  const input = new LeafInput();
  input.take(row.bytes, row.start(COPIED.payload), row.length(COPIED.payload));
  return reader.agrees(row, input);
}

const plain = canonicalJson(event);

describe('the glance at a payload', () => {
  it('A4: is sure of what this program writes, in whatever order', () => {
    expect(agrees(plain)).toBe(true);
    expect(agrees(JSON.stringify(event))).toBe(true);
    expect(agrees(canonicalJson({ ...event, flags: [] }), { flags: textArray([]) })).toBe(true);
    expect(agrees(canonicalJson({ ...event, actor: { name: 'Käthe' } }), { actorId: null })).toBe(true);
    expect(agrees(canonicalJson({ ...event, resource: { id: 'Zürich', type: 'thing' } }), { resourceId: Buffer.from('Zürich') })).toBe(
      true,
    );
  });

  it.each<[string, Partial<typeof columns>]>([
    ['action', { action: Buffer.from('allocation.deleted') }],
    ['action, by its end', { action: Buffer.from('allocation.create') }],
    ['time, by a microsecond', { occurredAt: int64(BigInt(Date.parse(AT) - Date.UTC(2000, 0, 1)) * 1000n + 1n) }],
    ['time, which is none', { occurredAt: int64(2n ** 63n - 1n) }],
    ['id', { id: Buffer.alloc(16) }],
    ['actor that is null', { actorId: null }],
    ['flag', { flags: textArray(['out_of_hours', 'new_devise']) }],
    ['flag too many', { flags: textArray(['out_of_hours', 'new_device', 'x']) }],
    ['flag too few', { flags: textArray(['out_of_hours']) }],
    ['flags in another order', { flags: textArray(['new_device', 'out_of_hours']) }],
    ['flags counted from 2', { flags: textArray(['out_of_hours', 'new_device'], 2) }],
    ['no flags', { flags: textArray([]) }],
    ['flags that are null', { flags: null }],
    ['address', { clientIp: Buffer.from('10.1.2.4') }],
    ['correlation', { correlationId: Buffer.from('c-2') }],
  ])('A4: is not sure beside another %s', (_what, changed) => {
    expect(agrees(plain, changed)).toBe(false);
  });

  it.each<[string, Partial<typeof columns>]>([
    ['actor', { actorId: null }],
    ['resource', { resourceId: null, resourceType: null }],
    ['request', { clientIp: null }],
    ['correlationId', { correlationId: null }],
  ])('A4: of a payload without %s it is sure only where the columns are null', (name, changed) => {
    const without = canonicalJson({ ...event, [name]: {} }).replace(`"${name}":{},`, '');
    expect(agrees(without, changed)).toBe(true);
    expect(agrees(without)).toBe(false);
  });

  it.each([
    ['a member twice', plain.replace('"action":', '"action":"allocation.created","action":')],
    ['a member twice, the other value first', plain.replace('"action":', '"action":"pool.created","action":')],
    ['a member twice, in an object', plain.replace('"id":"someone"', '"id":"someone","id":"someone"')],
    ['an object twice', plain.replace('"actor":', '"actor":{},"actor":')],
    ['the escaped name of a member beside it', plain.replace('"action":', '"\\u0061ction":"pool.created","action":')],
    ['an escape in the name of any member', plain.replace('"note":', '"n\\u006fte":')],
    ['an escape where it matters', plain.replace('"someone"', '"some\\u006fne"')],
    ['another member inside a value only', plain.replace('"action":"allocation.created",', '"x":"\\"action\\":\\"allocation.created\\"",')],
    ['the member one level too deep', plain.replace('"action":"allocation.created"', '"x":{"action":"allocation.created"}')],
    ['another type', plain.replace('"allocation.created"', '["allocation.created"]')],
    ['null where a text should be', plain.replace('"someone"', 'null')],
    ['a list in place of an object', plain.replace(/"actor":\{[^}]*\}/, '"actor":["id","someone"]')],
    ['white space', plain.replace(':', ': ')],
    ['a line feed in front', `\n${plain}`],
    ['a blank behind', `${plain} `],
    ['something behind', `${plain}{}`],
    ['a byte order mark', `\ufeff${plain}`],
    ['a control character in a text', plain.replace('"POST"', '"PO\u0001ST"')],
    ['a comma too many', plain.replace('"v":1', '"v":1,')],
    ['a comma too few', plain.replace('","', '""')],
    ['no end', plain.slice(0, -1)],
    ['no end of a text', plain.slice(0, plain.lastIndexOf('"'))],
    ['nothing', ''],
    ['a number that is none', plain.replace('"v":1', '"v":01')],
    ['a word that is none', plain.replace('true', 'trve')],
    ['an escape that is none', plain.replace('\\n', '\\q')],
    ['a day that there is not', plain.replace(AT, '2026-11-31T18:26:23.644Z')],
    ['a time of another form', plain.replace(AT, '2026-11-20T18:26:23.644000Z')],
    ['objects too deep', plain.replace('"v":1', `"v":${'['.repeat(200)}${']'.repeat(200)}`)],
    ['a commitment without what is personal', plain.replace('"correlationId"', '"columns":"x","correlationId"')],
    ['what is personal without a commitment', plain.replace('"request"', '"personal":[],"request"')],
  ])('A4: is not sure of a payload with %s', (_what, payload) => {
    expect(agrees(payload)).toBe(false);
  });

  it('A4: knows every day of its time, and none besides', () => {
    const moment = fc.date({ min: new Date('1970-01-01T00:00:00Z'), max: new Date('2199-12-31T23:59:59.999Z'), noInvalidDate: true });
    const at = (date: Date): Partial<typeof columns> => ({ occurredAt: int64(BigInt(date.getTime() - Date.UTC(2000, 0, 1)) * 1000n) });
    fc.assert(fc.property(moment, (date) => agrees(plain.replace(AT, date.toISOString()), at(date))));
    for (const [text, rolled] of [
      ['2027-02-29', '2027-03-01'],
      ['2100-02-29', '2100-03-01'],
      ['2026-04-31', '2026-05-01'],
      ['2026-13-01', '2027-01-01'],
      ['2026-03-00', '2026-02-28'],
    ] as const)
      expect(agrees(plain.replace(AT, `${text}T00:00:00.000Z`), at(new Date(`${rolled}T00:00:00Z`)))).toBe(false);
    expect(agrees(plain.replace(AT, '2028-02-29T00:00:00.000Z'), at(new Date('2028-02-29T00:00:00Z')))).toBe(true);
    expect(agrees(plain.replace(AT, '2026-03-01T24:00:00.000Z'), at(new Date('2026-03-02T00:00:00Z')))).toBe(false);
  });

  it('A4: of what is encrypted it gives the keys, one of each part', () => {
    const personal: Json = [{ data: 'AA==', key: 'k1', of: 'actor' }, { data: 'AA==', of: 'subject' }, { key: 'k2' }];
    const payload = canonicalJson({ ...event, columns: 'digest', personal });
    expect(agrees(payload)).toBe(true);
    expect(reader.commitment).toEqual({ digest: 'digest', kids: ['k1', 'k2'] });
    expect(agrees(payload.replace('"key":"k2"', '"key":"k2","key":"k3"'))).toBe(false);
    expect(agrees(payload.replace('{"key":"k2"}', '"k2"'))).toBe(false);
    expect(agrees(plain)).toBe(true);
    expect(reader.commitment).toBeUndefined();
  });

  it('A4: is never sure where reading all of it says otherwise', () => {
    const bytes = Buffer.from(plain);
    const place = fc.nat({ max: bytes.length - 1 });
    const noise = fc.constantFrom(
      ...Array.from('"\\,:{}[]0a \n', (c) => Buffer.from(c)),
      Buffer.from('"action":"x",'),
      Buffer.from('\\u0061'),
    );
    fc.assert(
      fc.property(fc.array(fc.tuple(place, fc.nat({ max: 12 }), noise), { minLength: 1, maxLength: 2 }), (edits) => {
        let payload = bytes;
        for (const [at, cut, put] of edits) payload = Buffer.concat([payload.subarray(0, at), put, payload.subarray(at + cut)]);
        if (!agrees(payload)) return;
        const expected = expectedColumns(payload.toString());
        expect(expected?.id ?? ID).toBe(ID);
        expect(expected?.columns).toEqual(expectedColumns(plain)?.columns);
      }),
      { numRuns: 20_000 },
    );
  });
});
