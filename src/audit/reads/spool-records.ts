import { createHash } from 'node:crypto';
import { isIP } from 'node:net';
import { type Leaf } from '../trail/inbox-rows.js';
import { isUuid } from '../../kernel/uuid.js';

/** length of the body (4 bytes, big endian) ‖ beginning of its SHA-256 (8 bytes) ‖ body (JSON). */
const HEAD = 12;
const DIGEST = 8;
/** No event of ours is longer; a length beyond it was never written. */
const MOST_BODY = 262_144;

export function encodeRecord({ id, class: ofClass, payload, leaf, mac, clientIp, names, salt }: Leaf): Buffer {
  const beside = [clientIp, names, salt?.toString('base64') ?? null];
  const body = Buffer.from(JSON.stringify([id, ofClass, payload, leaf.toString('base64'), mac.toString('base64'), ...beside]));
  const head = Buffer.alloc(HEAD);
  head.writeUInt32BE(body.length);
  digestOf(body).copy(head, 4);
  return Buffer.concat([head, body]);
}

export interface Decoded {
  leaves: Leaf[];
  /** Records that are whole and not what was written. */
  damaged: number;
  /** The last record was cut off: its writer died over it. */
  torn: boolean;
}

/** All that can be read of a segment, in order. */
export function decodeRecords(segment: Buffer): Decoded {
  const decoded: Decoded = { leaves: [], damaged: 0, torn: false };
  for (let at = 0; at < segment.length;) {
    const length = at + HEAD <= segment.length ? segment.readUInt32BE(at) : MOST_BODY + 1;
    const end = at + HEAD + length;
    if (length > MOST_BODY || end > segment.length) {
      decoded.torn = true;
      break;
    }
    const body = segment.subarray(at + HEAD, end);
    const leaf = digestOf(body).equals(segment.subarray(at + 4, at + HEAD)) ? leafOf(body) : undefined;
    if (leaf) decoded.leaves.push(leaf);
    else decoded.damaged++;
    at = end;
  }
  return decoded;
}

function digestOf(body: Buffer): Buffer {
  return createHash('sha256').update(body).digest().subarray(0, DIGEST);
}

/** Undefined for what the inbox would refuse for its form: it would hold up everything behind it. */
function leafOf(body: Buffer): Leaf | undefined {
  let fields: unknown;
  try {
    fields = JSON.parse(body.toString());
  } catch {
    return undefined;
  }
  if (!Array.isArray(fields)) return undefined;
  const [id, ofClass, payload, leaf, mac, clientIp, names, salt] = fields as unknown[];
  if (typeof id !== 'string' || !isUuid(id) || typeof ofClass !== 'number' || !Number.isInteger(ofClass)) return undefined;
  if (typeof payload !== 'string' || Buffer.byteLength(payload) > 61_440 || typeof leaf !== 'string' || typeof mac !== 'string')
    return undefined;
  const [leafBytes, macBytes] = [Buffer.from(leaf, 'base64'), Buffer.from(mac, 'base64')];
  if (leafBytes.length !== 32 || macBytes.length !== 32) return undefined;
  if (!isTextOrNull(clientIp) || (clientIp !== null && !isIP(clientIp)) || !isTextOrNull(names) || !isTextOrNull(salt)) return undefined;
  const saltBytes = salt === null ? null : Buffer.from(salt, 'base64');
  return { id, class: ofClass, payload, leaf: leafBytes, mac: macBytes, clientIp, names, salt: saltBytes };
}

function isTextOrNull(value: unknown): value is string | null {
  return value === null || (typeof value === 'string' && !value.includes('\0'));
}
