const HASH_BYTES = 32;

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
 * Rows for audit_inbox out of the parameters that `parametersOf` makes. What is long or binary comes as one value: arrays are sent as text, in which
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

/** Leaves side by side: what is long or binary of all of them in `bytes`, where each begins, and how long its parts are (-1 for null). */
export interface PackedLeaves {
  bytes: Uint8Array;
  ids: string[];
  classes: number[];
  clientIps: (string | null)[];
  at: number[];
  payloads: number[];
  names: number[];
  salts: number[];
}

/** The parameters $1 to $8 of INBOX_ROWS. */
export function parametersOf({ bytes, ids, classes, clientIps, at, payloads, names, salts }: PackedLeaves): unknown[] {
  return [bytes, ids, array(classes), clientIps, array(at), array(payloads), array(names), array(salts)];
}

export function packed(leaves: readonly Leaf[]): PackedLeaves {
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
  const bytes = Buffer.allocUnsafe(end);
  let to = 0;
  for (const piece of pieces) to += typeof piece === 'string' ? bytes.write(piece, to) : piece.copy(bytes, to);
  return {
    bytes,
    ids: leaves.map(({ id }) => id),
    classes: leaves.map((leaf) => leaf.class),
    clientIps: leaves.map(({ clientIp }) => clientIp),
    at,
    payloads,
    names,
    salts,
  };
}

export function unpacked({ bytes, ids, classes, clientIps, at, payloads, names, salts }: PackedLeaves): Leaf[] {
  const all = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return ids.map((id, n) => {
    let from = at[n] ?? 0;
    const next = (size = -1): Buffer | null => (size < 0 ? null : all.subarray(from, (from += size)));
    const [leaf, mac, payload] = [next(HASH_BYTES), next(HASH_BYTES), next(payloads[n])];
    if (!leaf || !mac || !payload) throw new Error('An event has no payload.');
    const named = next(names[n]);
    const members = { payload: payload.toString(), names: named?.toString() ?? null, salt: next(salts[n]) };
    return { id, class: classes[n] ?? 0, leaf, mac, clientIp: clientIps[n] ?? null, ...members };
  });
}

/** As PostgreSQL reads it; the driver would look for what needs quotes in every number. */
function array(numbers: readonly number[]): string {
  return `{${numbers.join(',')}}`;
}
