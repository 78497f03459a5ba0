import { Client } from 'pg';
import { type VerificationReport, Verifier } from '../src/audit/verification/verifier.js';
import { allSealed, macBy, record, sharedKeys } from './support/sealed-log.js';
import { startTestApp, type TestApp } from './support/test-app.js';

type Change = string;

/** Enough for a full tile and a part of one. */
const EVENTS = 400;

describe('who has the key of a writer, and the database', () => {
  const keys = sharedKeys();
  let t: TestApp;

  beforeAll(async () => {
    t = await startTestApp({ ...keys });
    await record(t, 'ipam', EVENTS);
    await allSealed(t);
  });

  afterAll(() => t.close());

  /** What a verification says after these changes, which are taken back again. */
  async function after(changes: readonly Change[]): Promise<VerificationReport> {
    const client = new Client(t.database.adminUrl);
    await client.connect();
    try {
      await client.query(`BEGIN; SET LOCAL session_replication_role = replica; SET LOCAL TimeZone = 'UTC'`);
      for (const change of changes) await client.query(change);
      return await t.app.get(Verifier).verifyOn(client, { log: 'ipam', anchors: null });
    } finally {
      await client.end();
    }
  }

  const row = (seq: number): string => `WHERE class = 3 AND seq = ${seq}`;

  /** Puts another payload in an event's place, with its hash and a MAC: only the columns and the tree tell. */
  const forged = (seq: number, sql: string): Change[] => {
    const hash = `sha256('\\x00'::bytea || convert_to(${sql}, 'UTF8'))`;
    return [`UPDATE audit_log SET payload = ${sql}, leaf = ${hash}, emit_mac = ${macBy(keys.CADASTRE_AUDIT_KEY, hash)} ${row(seq)}`];
  };

  it.each<[string, string, boolean]>([
    ['a member twice, the last one as it was', `replace(payload, '{"action":', '{"action":"test.healed","action":')`, false],
    ['a member twice, the first one as it was', `replace(payload, '"test.sealed",', '"test.sealed","action":"test.healed",')`, true],
    ['the escaped name of a member behind it', `replace(payload, '"test.sealed",', '"test.sealed","\\u0061ction":"test.healed",')`, true],
    ['the same by an escaped name', `replace(payload, '"action":', '"\\u0061ction":')`, false],
    ['the same in an escaped value', `replace(payload, '"test.sealed"', '"test.se\\u0061led"')`, false],
    ['a value that has the text of the member', `replace(payload, '"action":"test.sealed"', '"a":"\\"action\\":\\"test.sealed\\""')`, true],
    ['the member deeper in', `replace(payload, '"action":"test.sealed"', '"a":{"action":"test.sealed"}')`, true],
    ['white space', `replace(payload, '":', '" : ')`, false],
    ['the members in another order', `'{"severity":"info",' || substr(replace(payload, '"severity":"info",', ''), 2)`, false],
    ['another type', `replace(payload, '"test.sealed"', '["test.sealed"]')`, true],
    ['another object twice', `replace(payload, '"resource":', '"resource":{"id":"thing-0","type":"thing"},"resource":')`, false],
    ['something behind it', `payload || '{}'`, true],
    ['a control character', `replace(payload, '"detail":{', '"detail":{"x":"' || chr(1) || '",')`, true],
    ['an escape that JSON has not', `replace(payload, '"detail":{', '"detail":{"x":"\\q",')`, true],
    ['another id', `replace(payload, '"id":"' || id, '"id":"0199f0c4-1a6f-7e5f-8f0e-9d1e0d5f6f0a')`, true],
    ['another time', `replace(payload, to_char(occurred_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"'), '2001-01-01T')`, true],
    ['a flag', `replace(payload, '"flags":[', '"flags":["forged"')`, true],
  ])('A4: a payload with %s is read for what it says', async (_what, sql, altered) => {
    const report = await after(forged(101, sql));
    const codes = report.findings.filter(({ seq }) => seq === 101).map(({ code }) => code);
    expect(codes).toContain('event_altered');
    expect(codes.filter((code) => code !== 'event_altered')).toEqual(altered ? ['column_altered'] : []);
  });

  it('A4: of many bad events the first is named, whatever is wrong with it', async () => {
    const report = await after([
      `UPDATE audit_log SET severity = 'high' ${row(200)}`,
      `UPDATE audit_log SET payload = replace(payload, '"thing-', '"thinq-') WHERE class = 3 AND seq > 201`,
    ]);
    expect(report.findings[0]).toMatchObject({ code: 'column_altered', seq: 200 });
    expect(report.findings).toHaveLength(100);
  });
});
