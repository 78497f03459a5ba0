import { type ClientBase } from 'pg';
import { HASH_BYTES, leafHashHex } from '../sealing/merkle.js';
import { Findings } from './findings.js';
import { type FindingCode } from './finding.js';
import { type Beside, type PersonalCheck } from './personal-check.js';
import { CLIENT_IP, commitmentIn, EXPECTED_COLUMNS, expectedColumns, type LoggedRow, PROJECTED } from './projection.js';
import { type Scanned } from './scanned.js';

const FETCH = 500;
const asText = { getTypeParser: () => (value: string) => value };

/**
 * Reads events again whose columns are not plainly what their payload says, as text, and judges them by JSON.parse and, where that is not
 * the last word, by the server's own conversions. `query` gives them, and what else bears their numbers, in the order of the first look.
 */
export async function secondLook(
  client: ClientBase,
  query: string,
  personal: PersonalCheck,
  scanned: Scanned,
  doubtful: ReadonlySet<number>,
): Promise<void> {
  const look = new SecondLook(client, personal, scanned);
  const waiting = new Set(doubtful);
  await client.query(`DECLARE audit_scan NO SCROLL CURSOR FOR ${query}`);
  for (let more = true; more;) {
    const { rows } = await client.query<(string | null)[]>({ text: `FETCH ${FETCH} FROM audit_scan`, rowMode: 'array', types: asText });
    more = rows.length === FETCH;
    // The first of a number is the one that was taken at first.
    for (const row of rows) if (waiting.delete(Number(row[0]))) await look.at(rowOf(row));
  }
  await client.query('CLOSE audit_scan');
  const [gone] = waiting;
  if (gone !== undefined) throw new Error(`Event ${gone} of ${scanned.order.log} was there, and was not when it was read again.`);
}

class SecondLook {
  private readonly findings: Findings;

  constructor(
    private readonly client: ClientBase,
    private readonly personal: PersonalCheck,
    private readonly scanned: Scanned,
  ) {
    this.findings = new Findings(scanned.order.log, scanned.findings);
  }

  async at(row: LoggedRow): Promise<void> {
    const { leaves, order } = this.scanned;
    const place = (row.seq - order.from) * HASH_BYTES;
    if (leafHashHex(row.payload) !== Buffer.from(leaves.buffer, place, HASH_BYTES).toString('hex'))
      this.say('payload_altered', row, 'its payload is another one when it is read again');
    const quick = expectedColumns(row.payload);
    const altered =
      quick?.columns.every((text, i) => text === row.columns[i] || (quick.commitment && i === CLIENT_IP)) === true
        ? typeof quick.id === 'string' && quick.id !== row.id
          ? ['id']
          : []
        : await this.askServer(row);
    const commitment = commitmentIn(row.payload);
    if (!this.personal.knows(commitment)) this.say('key_missing', row, 'a key that it is encrypted with was taken away');
    if (!this.personal.holds(besideOf(row), commitment)) altered.push('client_ip, names or salt');
    if (altered.length > 0) this.say('column_altered', row, `its column ${altered.join(', ')} is not what its payload says`);
  }

  /** The columns that are not what the server makes of the payload. */
  private async askServer(row: LoggedRow): Promise<string[]> {
    const { rows } = await this.client.query<(string | null)[]>({
      text: EXPECTED_COLUMNS,
      values: [row.payload],
      rowMode: 'array',
      types: asText,
    });
    const [columns = []] = rows;
    const commitment = commitmentIn(row.payload);
    // What cannot be read has the time at which it was received.
    return PROJECTED.filter(
      (_, i) => columns[i] !== row.columns[i] && !(i === 0 && columns[i] === null) && !(commitment && i === CLIENT_IP),
    );
  }

  private say(code: FindingCode, { seq, id }: LoggedRow, what: string): void {
    this.findings.say(code, { seq, id }, what);
  }
}

function rowOf([seq, id, payload, names, salt, ...columns]: (string | null)[]): LoggedRow {
  return { seq: Number(seq), id: id ?? '', payload: payload ?? '', names: names ?? null, salt: salt ?? null, columns };
}

function besideOf({ columns, names, salt }: LoggedRow): Beside {
  return { clientIp: columns[CLIENT_IP] ?? null, names, salt: salt === null ? null : Buffer.from(salt.slice(2), 'hex') };
}
