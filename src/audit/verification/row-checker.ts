import { HASH_BYTES } from '../sealing/merkle.js';
import { type WriterMac } from '../sealing/writer-mac.js';
import { COPIED, type CopiedRow } from './copied-row.js';
import { type FindingCode } from './finding.js';
import { Findings } from './findings.js';
import { LeafInput } from './leaf-input.js';
import { PayloadReader } from './payload-reader.js';
import { type PersonalCheck } from './personal-check.js';
import { CHECKPOINTED, headsIn } from './projection.js';
import { type Scanned, type ScanOrder } from './scanned.js';

/** Of the order within an instant: the transaction in 8 bytes, the id in 16. */
const XID_BYTES = 8;
const PLACE_BYTES = 24;

/** Checks the rows of a part one after another, each when it comes, from its bytes alone. */
export class RowChecker {
  /** Events whose columns are not plainly what their payload says. */
  private readonly doubtful = new Set<number>();
  private readonly scanned: Scanned;
  private readonly leaves: Buffer;
  private readonly findings: Findings;
  private readonly payload = new LeafInput();
  private readonly payloads = new PayloadReader();
  private readonly before = Buffer.alloc(PLACE_BYTES);
  private expected: number;
  private instant = NaN;

  constructor(
    private readonly order: ScanOrder,
    private readonly writers: WriterMac,
    private readonly personal: PersonalCheck,
  ) {
    const leaves = new Uint8Array((order.to - order.from) * HASH_BYTES);
    this.findings = new Findings(order.log);
    this.leaves = Buffer.from(leaves.buffer);
    this.expected = order.from;
    this.scanned = { order, leaves, missing: [], instants: [], findings: this.findings.list, rows: 0, bytes: 0, heads: undefined };
  }

  take(row: CopiedRow): void {
    const seq = row.integer(COPIED.seq);
    const { from, to } = this.order;
    if (!this.belongs(seq, row)) this.say('event_inserted', row, 'it does not lie between the checkpoints that its time says');
    if (seq < from || seq >= to) return;
    if (seq < this.expected) {
      this.say('event_inserted', row, 'there is another event of this number, or it is out of order');
      return;
    }
    if (seq > this.expected) this.scanned.missing.push([this.expected, seq]);
    this.expected = seq + 1;
    this.scanned.rows++;
    this.scanned.bytes += Math.max(0, row.length(COPIED.payload));
    this.checkOrder(row, seq);
    this.checkLeaf(row, seq);
    this.checkColumns(row, seq);
  }

  end(): { scanned: Scanned; doubtful: ReadonlySet<number> } {
    if (this.expected < this.order.to) this.scanned.missing.push([this.expected, this.order.to]);
    return { scanned: this.scanned, doubtful: this.doubtful };
  }

  private belongs(seq: number, row: CopiedRow): boolean {
    const { from, to, low, high, fromHeldAt, toAfter } = this.order;
    if (seq < low || seq >= high) return false;
    if (seq < from) return fromHeldAt !== null && row.instant(COPIED.sealedAt) <= fromHeldAt;
    return seq < to || toAfter === null || row.instant(COPIED.sealedAt) > toAfter;
  }

  /** Within one instant events are in the order of their transactions, then of their ids. */
  private checkOrder(row: CopiedRow, seq: number): void {
    const sealedAt = row.integer(COPIED.sealedAt);
    if (sealedAt !== this.instant) {
      this.instant = sealedAt;
      this.scanned.instants.push({ seq, at: row.instant(COPIED.sealedAt) });
      this.comesBehind(row);
    } else if (!this.comesBehind(row)) this.say('order_altered', row, 'it was written before the event in front of it');
  }

  /** Compares its place with that of the row before, and keeps it for the next. */
  private comesBehind(row: CopiedRow): boolean {
    const { bytes } = row;
    let order = 0;
    for (let i = 0, at = row.start(COPIED.xid); i < PLACE_BYTES; i++, at++) {
      if (i === XID_BYTES) at = row.start(COPIED.id);
      const byte = bytes[at] ?? 0;
      if (order === 0) order = byte - (this.before[i] ?? 0);
      this.before[i] = byte;
    }
    return order > 0;
  }

  private checkLeaf(row: CopiedRow, seq: number): void {
    this.payload.take(row.bytes, row.start(COPIED.payload), Math.max(0, row.length(COPIED.payload)));
    const leaf = this.payload.hash();
    this.leaves.write(leaf, (seq - this.order.from) * HASH_BYTES, 'latin1');
    if (!row.holds(COPIED.leaf, leaf)) this.say('payload_altered', row, 'its payload does not have the hash that its writer gave it');
    else if (row.length(COPIED.mac) !== HASH_BYTES || !this.writers.madeAt(row.bytes, row.start(COPIED.mac), leaf))
      this.say('writer_unknown', row, 'no writer of ours made its MAC');
  }

  private checkColumns(row: CopiedRow, seq: number): void {
    if (!this.payloads.agrees(row, this.payload)) {
      this.doubtful.add(seq);
      return;
    }
    const { commitment } = this.payloads;
    if (commitment) {
      if (!this.personal.knows(commitment)) this.say('key_missing', row, 'a key that it is encrypted with was taken away');
      const beside = { clientIp: row.text(COPIED.clientIp), names: row.text(COPIED.names), salt: row.copy(COPIED.salt) };
      if (!this.personal.holds(beside, commitment)) this.sayBeside(row);
    } else if (!row.isNull(COPIED.names) || !row.isNull(COPIED.salt)) this.sayBeside(row);
    if (this.order.class === 0 && row.text(COPIED.action) === CHECKPOINTED)
      this.scanned.heads = headsIn(row.text(COPIED.payload) ?? '') ?? this.scanned.heads;
  }

  private sayBeside(row: CopiedRow): void {
    this.say('column_altered', row, 'its column client_ip, names or salt is not what its payload says');
  }

  private say(code: FindingCode, row: CopiedRow, what: string): void {
    this.findings.say(code, { seq: row.integer(COPIED.seq), id: row.id() }, what);
  }
}
