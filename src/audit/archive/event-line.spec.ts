import { leafHashHex } from '../sealing/merkle.js';
import { type ArchivedEvent } from './event-line.js';
import { CopiedRows } from './copied-rows.js';
import { InstantText } from './instant-text.js';
import { LineReader, NoEventLine } from './line-reader.js';
import { LineWriter } from './line-writer.js';

const EPOCH = Date.parse('2000-01-01T00:00:00Z');
const instant = '2026-11-21T00:18:40.000123Z';

const event = (payload: string, of: Partial<ArchivedEvent> = {}): ArchivedEvent => ({
  seq: 70412,
  id: '0198f0a2-6b1c-7c3d-8e4f-0123456789ab',
  sealedAt: instant,
  recordedAt: '1999-12-31T23:59:59.999999Z',
  xid: '18446744073709551615',
  epoch: 3,
  leaf: leafHashHex(payload),
  mac: 'a5'.repeat(32),
  payload,
  ...of,
});

/** Of another hash than the payload has, as an event under quarantine may be. */
const strange = '00ff'.repeat(16);

/** As JSON has it, which is what a line is. */
const lineOf = ({ leaf, ...e }: ArchivedEvent, payload: unknown = e.payload): string =>
  `${JSON.stringify({
    ...{ seq: e.seq, id: e.id, sealed_at: e.sealedAt, recorded_at: e.recordedAt, xid: e.xid, epoch: e.epoch },
    ...(leaf === leafHashHex(e.payload) ? {} : { leaf }),
    ...{ mac: e.mac, payload },
  })}\n`;

/** As a COPY in binary has it. */
function rowOf(e: ArchivedEvent, quarantined = false): Buffer {
  const int64 = (value: bigint): Buffer => {
    const bytes = Buffer.alloc(8);
    bytes.writeBigInt64BE(BigInt.asIntN(64, value));
    return bytes;
  };
  const int32 = (value: number): Buffer => {
    const bytes = Buffer.alloc(4);
    bytes.writeInt32BE(value);
    return bytes;
  };
  const micros = (text: string): Buffer => int64(BigInt(Date.parse(text) - EPOCH) * 1000n + BigInt(text.slice(23, 26)));
  const fields = [
    int64(BigInt(e.seq)),
    Buffer.from(e.id.replaceAll('-', ''), 'hex'),
    micros(e.sealedAt),
    micros(e.recordedAt),
    int64(BigInt(e.xid)),
    int32(e.epoch),
    Buffer.from(e.leaf, 'hex'),
    Buffer.from(e.mac, 'hex'),
    Buffer.from(e.payload),
    micros(e.sealedAt),
    Buffer.from('info'),
  ];
  const columns = [...fields.flatMap((field) => [int32(field.length), field]), ...Array.from({ length: 4 }, () => int32(-1))];
  return Buffer.concat([Buffer.from([0, 16]), ...columns, int32(1), Buffer.from([quarantined ? 1 : 0])]);
}

function written(events: readonly ArchivedEvent[], quarantined = false): string {
  const bytes = Buffer.concat(events.map((one) => rowOf(one, quarantined)));
  const rows = new CopiedRows(bytes, bytes.length);
  const writer = new LineWriter();
  for (let at = 0; rows.next(); at++) writer.write(rows, events[at]?.leaf === leafHashHex(events[at]?.payload ?? ''));
  return writer.lines.toString();
}

function read(lines: string | Buffer): ArchivedEvent[] {
  const reader = new LineReader(Buffer.from(lines));
  const events: ArchivedEvent[] = [];
  while (reader.next()) events.push(reader.event());
  return events;
}

/** All that PostgreSQL takes from U+0001 to U+00FF, and what escaping is known to go wrong with. */
const characters = Array.from({ length: 255 }, (_, i) => String.fromCodePoint(i + 1));
const odd = [
  ...characters,
  '\u2028\u2029',
  '\ud83d\ude00',
  '\ufeff',
  '\uffff',
  '\\"',
  '\\\\u0000',
  '\\n',
  '"',
  '',
  '\u007f',
  '{"a":"b\\\\"}\n',
  '{"a":1} ',
  '{',
  '}',
];

describe('the line of an event in an archive', () => {
  const events = [...odd, odd.join(''), odd.join('x').repeat(40)].map((payload, seq) => event(payload, { seq }));

  it('T2: is what JSON makes of it, to the byte, whatever its payload', () => {
    expect(written(events)).toBe(events.map((one) => lineOf(one)).join(''));
    const large = [event('"'.repeat(3_000_000)), event('\u0001'.repeat(500_000))];
    expect(written(large)).toBe(large.map((one) => lineOf(one)).join(''));
  });

  const sound = ['{}', '{"a":"b\\\\"}', '{"a":{"b":"\\n\\u0001\\"ü"}}', `{"a":"${'\u007f\u2028'.repeat(2000)}"}`].map((payload, seq) =>
    event(payload, { seq }),
  );

  it('T2: has the payload of a sound event as an object, to the byte', () => {
    expect(written(sound)).toBe(sound.map((one) => lineOf(one, JSON.parse(one.payload))).join(''));
  });

  it('T2: has it as a string when the event is under quarantine or has another hash than it says, and says that hash', () => {
    expect(written(sound, true)).toBe(sound.map((one) => lineOf(one)).join(''));
    const others = sound.map((one) => ({ ...one, leaf: strange }));
    expect(written(others)).toBe(others.map((one) => lineOf(one)).join(''));
    expect(written(others)).toContain(strange);
  });

  it('T2: is read as what was written, with the hash of its payload', () => {
    for (const all of [events, sound, [...events, ...sound].map((one) => ({ ...one, leaf: strange }))]) {
      const lines = Buffer.from(written(all));
      const reader = new LineReader(lines);
      for (const one of all) {
        expect(reader.next()).toBe(true);
        expect(reader.event()).toEqual(one);
        expect(Buffer.from(reader.leafHash(), 'latin1').toString('hex')).toBe(leafHashHex(one.payload));
      }
      expect(reader.next()).toBe(false);
      expect(lines.toString()).toBe(written(all));
    }
  });

  it('T2: is read as the first format had it, with a leaf and a string in every line', () => {
    const first = ({ leaf, ...e }: ArchivedEvent): string => lineOf(e as ArchivedEvent).replace(',"mac"', () => `,"leaf":"${leaf}","mac"`);
    const lines = [...events, ...sound].map((one) => ({ one, line: first(one) }));
    expect(lines[0]?.line).toContain(`"leaf":"${leafHashHex(events[0]?.payload ?? '')}"`);
    expect(read(lines.map(({ line }) => line).join(''))).toEqual(lines.map(({ one }) => one));
  });

  it('T3: is refused when it is written in any other way', () => {
    const line = lineOf(event('a"b\n\u0001\\ü', { leaf: strange }));
    expect(read(line)).toHaveLength(1);
    const other: [string, string][] = [
      ['{"seq":70412', '{"seq":070412'],
      ['{"seq":70412', '{"seq":-0'],
      ['{"seq":70412', '{"seq":'],
      ['{"seq":70412', '{"seq":7e3'],
      ['{"seq":70412', '{"seq":99999999999999999'],
      ['{"seq":', '{ "seq":'],
      ['"epoch":3', '"epoch":3.0'],
      ['"xid"', '"Xid"'],
      ['"xid":"1', '"xid":"\\u0031'],
      ['00ff', '00FF'],
      ['\\"', '\\u0022'],
      ['\\n', '\\u000a'],
      ['\\n', '\n'],
      ['\\u0001', '\\u0001\u0001'],
      ['\\u0001', '\\u0061'],
      ['\\u0001', '\\u00'],
      ['a\\"', '\\/\\"'],
      ['a\\"', 'a"'],
      ['"}\n', '"}'],
      ['"}\n', '","more":1}\n'],
      ['"}\n', '"} \n'],
    ];
    for (const [was, is] of other) {
      const altered = line.replace(was, () => is);
      expect(altered).not.toBe(line);
      expect(() => read(altered)).toThrow(NoEventLine);
    }
    for (let end = 1; end < line.length; end++) expect(() => read(line.slice(0, end))).toThrow(NoEventLine);
    const object = written([event('{"a":"b"}')]);
    for (const [was, is] of [
      ['}}\n', '}\n'],
      ['}}\n', '}} \n'],
      ['}}\n', '}}'],
      ['{"a":"b"}}\n', '{}\n'],
      ['{"a":"b"}}\n', '[]}\n'],
      ['{"a":"b"}}\n', '{"a"\n:"b"}}\n'],
      [',"mac"', ',"leaf","mac"'],
      [',"mac"', ',"leaf":"00","leaf":"00","mac"'],
    ] as const) {
      const altered = object.replace(was, () => is);
      expect(altered).not.toBe(object);
      expect(() => read(altered)).toThrow(NoEventLine);
    }
    for (let end = 1; end < object.length; end++) expect(() => read(object.slice(0, end))).toThrow(NoEventLine);
  });
});

describe('an instant', () => {
  const micros = (text: string): number => (Date.parse(text) - EPOCH) * 1000;

  it('is RFC 3339 in UTC with six decimals', () => {
    const text = new InstantText();
    for (const at of ['2000-01-01T00:00:00.000Z', '1999-12-31T23:59:59.001Z', '1714-11-01T00:00:00.000Z', '2285-02-28T23:59:59.999Z'])
      for (const more of [0, 7, 999]) expect(text.of(micros(at) + more)).toBe(at.replace('Z', `${String(more).padStart(3, '0')}Z`));
  });

  it('is empty when it is centuries away', () => {
    const text = new InstantText();
    expect([micros('9999-12-31T23:59:59.999Z'), 2 ** 63, -(2 ** 63), Number.NaN].map((at) => text.of(at))).toEqual(['', '', '', '']);
  });
});
