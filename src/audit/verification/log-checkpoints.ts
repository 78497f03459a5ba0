import { parseCheckpoint, originOf } from '../sealing/checkpoint.js';
import { parseNote } from '../sealing/signed-note.js';
import { type AnchoredNote } from './anchored-notes.js';
import { type Finding, found } from './finding.js';
import { type CheckpointRow, type LogHead, type LogSource } from './log-source.js';
import { type TrustedKeys } from './trusted-keys.js';

/** What a log said of itself under a signature that can be trusted. */
export interface Mark {
  what: string;
  size: number;
  root: Buffer;
  time: string;
}

const AT_ONCE = 1000;

/** The checkpoints of a log in their order, each checked by itself, against the one before it and against what was anchored of it. */
export class LogCheckpoints {
  count = 0;
  private waiting: CheckpointRow[] = [];
  private last: CheckpointRow | undefined;
  private done = false;

  constructor(
    private readonly source: LogSource,
    private readonly keys: TrustedKeys,
    private readonly installation: string,
    private readonly head: LogHead,
    private readonly anchored: ReadonlyMap<number, readonly AnchoredNote[]>,
    /** What the meta log last said of this one. */
    private readonly said: { number: number; size: number; root: string } | undefined,
    private readonly findings: Finding[],
  ) {}

  /** The next one that can be trusted; undefined after the last. */
  async next(): Promise<Mark | undefined> {
    for (;;) {
      if (this.waiting.length === 0 && !this.done) {
        this.waiting = await this.source.checkpoints(this.head.class, this.last?.number ?? -1, AT_ONCE);
        this.done = this.waiting.length < AT_ONCE;
      }
      const row = this.waiting.shift();
      if (!row) {
        this.ended();
        return undefined;
      }
      const mark = this.check(row);
      this.last = row;
      this.count++;
      if (mark) return mark;
    }
  }

  private check(row: CheckpointRow): Mark | undefined {
    const { name } = this.head;
    const what = `checkpoint ${row.number} of ${name}`;
    const due = this.last ? this.last.number + 1 : 0;
    if (row.number !== due) this.say('checkpoint_missing', `Checkpoints ${due} to ${row.number - 1} of ${name} are missing.`);
    const note = parseNote(row.note);
    const told = note && parseCheckpoint(note.text);
    const origin = originOf(this.installation, name);
    if (!note || told?.origin !== origin || !this.keys.signed(note, origin, name, told.number)) {
      this.say('checkpoint_altered', `The signature of ${what} is not that of the key that was valid for it.`);
      this.compareAnchors(row, note?.text ?? '', told?.epoch ?? row.epoch);
      return undefined;
    }
    const { number, size, root, epoch, time } = told;
    if (number !== row.number || size !== row.size || !root.equals(row.root) || epoch !== row.epoch || time !== row.at)
      this.say('checkpoint_altered', `The columns of ${what} are not what its note says.`);
    if (this.last && (size < this.last.size || time < this.last.at || epoch < this.last.epoch))
      this.say('checkpoint_altered', `${what} goes back behind the one before it.`);
    this.compareAnchors(row, note.text, epoch);
    if (this.said?.number === number && (this.said.size !== size || this.said.root !== root.toString('base64')))
      this.say('forked', `The meta log says something else of ${what}.`);
    return { what, size, root, time };
  }

  private compareAnchors(row: CheckpointRow, text: string, epoch: number): void {
    for (const anchor of this.anchored.get(row.number) ?? []) {
      if (anchor.text === text) continue;
      if (anchor.epoch < epoch)
        this.say(
          'lost_in_restoration',
          `${anchor.file} holds what was sealed before the database was restored into another cluster, and is not in it.`,
        );
      else this.say('forked', `${anchor.file} holds another checkpoint ${row.number} of ${this.head.name}: its history was rewritten.`);
    }
  }

  private ended(): void {
    const last = this.last?.number ?? -1;
    const newer = [...this.anchored.values()].flat().filter(({ number }) => number > last);
    const [newest] = newer.sort((a, b) => b.number - a.number);
    if (newest)
      this.say(
        'anchor_newer',
        `${newer.length} anchored checkpoints of ${this.head.name} are newer than the log: it had ${newest.size} events at checkpoint ${newest.number}, and now says ${this.last?.size ?? 0} at ${last}. It was cut, or an old copy was put in its place.`,
      );
    if (this.said && this.said.number > last)
      this.say(
        'checkpoint_missing',
        `The meta log knows checkpoint ${this.said.number} of ${this.head.name}; the last one here is ${last}.`,
      );
    if (this.last === undefined && this.head.size > 0) this.say('not_sealed', `The log ${this.head.name} has no checkpoint yet.`);
  }

  private say(code: Parameters<typeof found>[0], detail: string): void {
    this.findings.push(found(code, this.head.name, detail));
  }
}
