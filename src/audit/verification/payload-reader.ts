import { FlagsOfRow, isItsId, isItsInstant } from './column-forms.js';
import { COPIED, type Column, CopiedRow } from './copied-row.js';
import { CLOSE_LIST, CLOSE_OBJECT, COMMA, JsonReader, OPEN_LIST, OPEN_OBJECT } from './json-reader.js';
import { type LeafInput } from './leaf-input.js';
import { type Commitment } from './projection.js';

/** What is made of the value of a member that is looked for. */
type Kind = 'text' | 'actor' | 'resource' | 'request' | 'id' | 'at' | 'flags' | 'columns' | 'personal' | 'key';

interface Wanted {
  name: Buffer;
  bit: number;
  kind: Kind;
  /** That must have the text, of a text. */
  column: Column;
}

/** By length and first character, which tell all of one object's apart. */
type Members = readonly (Wanted | undefined)[];

const bits: Record<string, number> = {};

function wanted(members: Record<string, Column | Exclude<Kind, 'text'>>): Members {
  const found = new Array<Wanted | undefined>(16 << 8).fill(undefined);
  for (const [path, what] of Object.entries(members)) {
    const name = Buffer.from(path.slice(path.lastIndexOf('.') + 1));
    const bit = 1 << Object.keys(bits).length;
    bits[path] = bit;
    const text = typeof what === 'number';
    found[(name.length << 8) | (name[0] ?? 0)] = { name, bit, kind: text ? 'text' : what, column: text ? what : COPIED.payload };
  }
  return found;
}

const ACTOR = wanted({ 'actor.id': COPIED.actorId });
const RESOURCE = wanted({ 'resource.id': COPIED.resourceId, 'resource.type': COPIED.resourceType });
const REQUEST = wanted({ 'request.clientIp': COPIED.clientIp });
const PERSONAL = wanted({ 'personal.key': 'key' });
const EVENT = wanted({
  action: COPIED.action,
  actor: 'actor',
  at: 'at',
  category: COPIED.category,
  columns: 'columns',
  correlationId: COPIED.correlationId,
  flags: 'flags',
  id: 'id',
  outcome: COPIED.outcome,
  personal: 'personal',
  request: 'request',
  resource: 'resource',
  severity: COPIED.severity,
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

  agrees(row: CopiedRow, payload: LeafInput): boolean {
    if (payload.hasControls()) return false;
    this.row = row;
    this.seen = 0;
    this.commitment = undefined;
    this.open(payload.bytes, 1);
    if (!this.object(EVENT) || !this.ended || (this.seen & REQUIRED) !== REQUIRED) return false;
    for (const [seen, of] of OPTIONAL) if ((this.seen & seen) === 0 && !row.isNull(of)) return false;
    if ((this.seen & COMMITMENT) === 0) return (this.seen & CLIENT_IP) !== 0 || row.isNull(COPIED.clientIp);
    if ((this.seen & COMMITMENT) !== COMMITMENT) return false;
    this.commitment = { digest: this.digest, kids: this.kids };
    return true;
  }

  /** An object in which every wanted member that is there says what the row says, and is there once. */
  private object(members: Members): boolean {
    if (!this.next(OPEN_OBJECT)) return false;
    if (this.next(CLOSE_OBJECT)) return true;
    do {
      if (!this.name()) return false;
      const member = members[((this.to - this.from) << 8) | (this.bytes[this.from] ?? 0)];
      if (!member || !startsAt(this.bytes, this.from, member.name)) {
        if (!this.value()) return false;
      } else {
        if ((this.seen & member.bit) !== 0) return false;
        this.seen |= member.bit;
        if (!this.says(member)) return false;
      }
    } while (this.next(COMMA));
    return this.next(CLOSE_OBJECT);
  }

  private says({ kind, column }: Wanted): boolean {
    if (kind === 'actor') return this.object(ACTOR);
    if (kind === 'resource') return this.object(RESOURCE);
    if (kind === 'request') return this.object(REQUEST);
    if (kind === 'flags') return this.areItsFlags();
    if (kind === 'personal') return this.isPersonal();
    if (!this.plainText()) return false;
    if (kind === 'text') return this.row.is(column, this.bytes, this.from, this.to);
    if (kind === 'id') return isItsId(this.row, this.bytes, this.from, this.to);
    if (kind === 'at') return isItsInstant(this.row, this.bytes, this.from, this.to);
    const text = this.bytes.toString('utf8', this.from, this.to);
    if (kind === 'key') this.kids.push(text);
    else this.digest = text;
    return true;
  }

  private areItsFlags(): boolean {
    const { row, flags } = this;
    flags.begin(row);
    if (!this.next(OPEN_LIST)) return false;
    if (this.next(CLOSE_LIST)) return flags.endHere(row);
    do if (!this.plainText() || !flags.goOnWith(row, this.bytes, this.from, this.to)) return false;
    while (this.next(COMMA));
    return this.next(CLOSE_LIST) && flags.endHere(row);
  }

  /** What is encrypted, by person: an object for each, which may name its key. */
  private isPersonal(): boolean {
    this.kids = [];
    if (!this.next(OPEN_LIST)) return false;
    if (this.next(CLOSE_LIST)) return true;
    do {
      this.seen &= ~KEY;
      if (!this.object(PERSONAL)) return false;
    } while (this.next(COMMA));
    return this.next(CLOSE_LIST);
  }
}

function startsAt(bytes: Uint8Array, at: number, text: Uint8Array): boolean {
  for (let i = 0; i < text.length; i++) if (bytes[at + i] !== text[i]) return false;
  return true;
}
