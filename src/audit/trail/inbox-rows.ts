/** One leaf of the log: `leaf` is SHA-256(0x00 ‖ payload) as in RFC 6962 §2.1, `mac` authenticates this program as its writer. */
export interface Leaf {
  id: string;
  class: number;
  payload: string;
  leaf: Buffer;
  mac: Buffer;
  /** What lies beside the payload, which has it encrypted. */
  clientIp: string | null;
  names: string | null;
  salt: Buffer | null;
}

export const INBOX_COLUMNS = 'id, class, payload, leaf, emit_mac, client_ip, names, salt';

/**
 * Rows for audit_inbox out of the parameters that `packed` makes. What is long or binary comes as one value: arrays are sent as text, in which
 * every quote of a payload would have to be escaped here and unescaped there. In it each event has 32 bytes of leaf and 32 of MAC, its payload,
 * its names and its salt.
 */
export const INBOX_ROWS = `
  SELECT e.id, e.class, convert_from(substring($1::bytea, e.at + 65, e.payload_size), 'UTF8'), substring($1::bytea, e.at + 1, 32),
         substring($1::bytea, e.at + 33, 32), e.client_ip,
         CASE WHEN e.names_size >= 0 THEN convert_from(substring($1::bytea, e.at + 65 + e.payload_size, e.names_size), 'UTF8') END,
         CASE WHEN e.salt_size >= 0 THEN substring($1::bytea, e.at + 65 + e.payload_size + greatest(e.names_size, 0), e.salt_size) END
    FROM unnest($2::uuid[], $3::smallint[], $4::inet[], $5::int[], $6::int[], $7::int[], $8::int[])
         AS e (id, class, client_ip, at, payload_size, names_size, salt_size)`;

export const INSERT_EVENTS = `INSERT INTO audit_inbox (${INBOX_COLUMNS}) ${INBOX_ROWS}`;

/** The parameters $1 to $8 of INBOX_ROWS. A size of -1 stands for null. */
export function packed(leaves: readonly Leaf[]): unknown[] {
  const pieces: (Buffer | string)[] = [];
  const [at, payloads, names, salts]: [number[], number[], number[], number[]] = [[], [], [], []];
  let end = 0;
  for (const { leaf, mac, payload, names: named, salt } of leaves) {
    const payloadSize = Buffer.byteLength(payload);
    const namesSize = named === null ? -1 : Buffer.byteLength(named);
    const saltSize = salt === null ? -1 : salt.length;
    at.push(end);
    payloads.push(payloadSize);
    names.push(namesSize);
    salts.push(saltSize);
    pieces.push(leaf, mac, payload, named ?? '', salt ?? '');
    end += leaf.length + mac.length + payloadSize + Math.max(namesSize, 0) + Math.max(saltSize, 0);
  }
  const all = Buffer.allocUnsafe(end);
  let to = 0;
  for (const piece of pieces) to += typeof piece === 'string' ? all.write(piece, to) : piece.copy(all, to);
  return [
    all,
    leaves.map(({ id }) => id),
    array(leaves.map((leaf) => leaf.class)),
    leaves.map(({ clientIp }) => clientIp),
    array(at),
    array(payloads),
    array(names),
    array(salts),
  ];
}

/** As PostgreSQL reads it; the driver would look for what needs quotes in every number. */
function array(numbers: readonly number[]): string {
  return `{${numbers.join(',')}}`;
}
