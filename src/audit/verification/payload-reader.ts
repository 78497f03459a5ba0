import { FlagsOfRow, isItsId, isItsInstant } from './column-forms.js';
import { COPIED, type Column, CopiedRow } from './copied-row.js';
import { JsonReader } from './json-reader.js';
import { type Commitment } from './projection.js';

/** A member that is looked for: what its value must be, and the column that must say the same. */
interface Wanted {
  name: Buffer;
  bit: number;
  read: (reader: PayloadReader) => boolean;
}

/** By length and first character, which tell all of one object's apart. */
type Members = (Wanted | undefined)[];

const bits: Record<string, number> = {};

function wanted(members: Record<string, Wanted['read']>): Members {
  const found: Members = new Array<Wanted | undefined>(16 * 256).fill(undefined);
  for (const [name, read] of Object.entries(members)) {
    const bit = 1 << Object.keys(bits).length;
    bits[name] = bit;
    const key = name.slice(name.lastIndexOf('.') + 1);
    found[(key.length << 8) | key.charCodeAt(0)] = { name: Buffer.from(key), bit, read };
  }
  return found;
}

const column =
  (of: Column): Wanted['read'] =>
  (reader) =>
    reader.isText(of);

const ACTOR = wanted({ 'actor.id': column(COPIED.actorId) });
const RESOURCE = wanted({ 'resource.id': column(COPIED.resourceId), 'resource.type': column(COPIED.resourceType) });
const REQUEST = wanted({ 'request.clientIp': column(COPIED.clientIp) });
const PERSONAL = wanted({ 'personal.key': (reader) => reader.isKey() });
const EVENT = wanted({
  action: column(COPIED.action),
  actor: (reader) => reader.isObject(ACTOR),
  at: (reader) => reader.isInstant(),
  category: column(COPIED.category),
  columns: (reader) => reader.isDigest(),
  correlationId: column(COPIED.correlationId),
  flags: (reader) => reader.areFlags(),
  id: (reader) => reader.isId(),
  outcome: column(COPIED.outcome),
  personal: (reader) => reader.isPersonal(),
  request: (reader) => reader.isObject(REQUEST),
  resource: (reader) => reader.isObject(RESOURCE),
  severity: column(COPIED.severity),
});

const bit = (name: string): number => bits[name] ?? 0;
const REQUIRED = ['action', 'at', 'category', 'flags', 'outcome', 'severity'].reduce((all, name) => all | bit(name), 0);
const COMMITMENT = bit('columns') | bit('personal');
const KEY = bit('personal.key');
const CLIENT_IP = bit('request.clientIp');
const OPTIONAL: readonly (readonly [number, Column])[] = [
  [bit('actor.id'), COPIED.actorId],
  [bit('resource.id'), COPIED.resourceId],
  [bit('resource.type'), COPIED.resourceType],
  [bit('correlationId'), COPIED.correlationId],
];

/**
 * Tells of most events at a glance that their columns say what their payload says: in one pass over its bytes, without making anything of
 * them. It is sure or it is not; whatever is written in an unusual way, twice, with an escape where it matters, or wrong, is for others to
 * judge, who read it whole.
 */
export class PayloadReader extends JsonReader {
  /** Of the last payload that was agreed with. */
  commitment: Commitment | undefined;
  private row = new CopiedRow();
  private readonly flags = new FlagsOfRow();
  private seen = 0;
  private digest = '';
  private kids: string[] = [];

  agrees(row: CopiedRow): boolean {
    const from = row.start(COPIED.payload);
    this.row = row;
    this.seen = 0;
    this.commitment = undefined;
    this.open(row.bytes, from, from + row.length(COPIED.payload));
    if (!this.isObject(EVENT) || !this.ended || (this.seen & REQUIRED) !== REQUIRED) return false;
    for (const [seen, of] of OPTIONAL) if ((this.seen & seen) === 0 && !row.isNull(of)) return false;
    if ((this.seen & COMMITMENT) === 0) return (this.seen & CLIENT_IP) !== 0 || row.isNull(COPIED.clientIp);
    if ((this.seen & COMMITMENT) !== COMMITMENT) return false;
    this.commitment = { digest: this.digest, kids: this.kids };
    return true;
  }

  /** An object in which every wanted member that is there says what its column says, and is there once. */
  isObject(members: Members): boolean {
    return this.object(() => {
      const member = members[((this.to - this.from) << 8) | (this.row.bytes[this.from] ?? 0)];
      if (!member || !startsAt(this.row.bytes, this.from, member.name)) return this.value();
      if ((this.seen & member.bit) !== 0) return false;
      this.seen |= member.bit;
      return member.read(this);
    });
  }

  isText(of: Column): boolean {
    return this.plainText() && this.row.is(of, this.from, this.to);
  }

  isId(): boolean {
    return this.plainText() && isItsId(this.row, this.from, this.to);
  }

  isInstant(): boolean {
    return this.plainText() && isItsInstant(this.row, this.from, this.to);
  }

  areFlags(): boolean {
    this.flags.begin(this.row);
    return this.list(() => this.plainText() && this.flags.goOnWith(this.row, this.from, this.to)) && this.flags.endHere(this.row);
  }

  isDigest(): boolean {
    if (!this.plainText()) return false;
    this.digest = this.row.bytes.toString('utf8', this.from, this.to);
    return true;
  }

  isPersonal(): boolean {
    this.kids = [];
    return this.list(() => {
      this.seen &= ~KEY;
      return this.isObject(PERSONAL);
    });
  }

  isKey(): boolean {
    if (!this.plainText()) return false;
    this.kids.push(this.row.bytes.toString('utf8', this.from, this.to));
    return true;
  }
}

function startsAt(bytes: Uint8Array, at: number, text: Uint8Array): boolean {
  for (let i = 0; i < text.length; i++) if (bytes[at + i] !== text[i]) return false;
  return true;
}
