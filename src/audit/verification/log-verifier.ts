import { GrowingTree, slice, type Tile } from '../sealing/growing-tree.js';
import { TILE_WIDTH } from '../sealing/merkle.js';
import { type Finding, found } from './finding.js';
import { type LogCheckpoints, type Mark } from './log-checkpoints.js';
import { type LogHead, type LogSource, type PeriodRow } from './log-source.js';
import { Piece } from './piece.js';
import { type RemovedMonths } from './removed-months.js';
import { type Scanned, type ScanOrder } from './scanned.js';
import { type Scanner } from './scanner.js';

/** Events in one piece of work; a multiple of what a tile holds. */
const UNIT = 32_768;

export interface LogReport {
  log: string;
  size: number;
  /** Events that no checkpoint covers yet. */
  unsealed: number;
  checkpoints: number;
  /** Rows that were read, and the bytes of their payloads. */
  events: number;
  bytes: number;
}

/**
 * One log: grows its tree anew from what its rows hold, and compares with every tile and every checkpoint on the way. Where rows and tiles
 * disagree it grows both trees until a checkpoint says who is right.
 */
export class LogVerifier {
  heads: Scanned['heads'];
  private tree = new GrowingTree();
  /** The tree by the stored tiles, as long as it differs. */
  private byTiles: GrowingTree | undefined;
  private suspects: number[] = [];
  private proven = 0;
  /** What came after can no longer be compared: the root is wrong already. */
  private diverged = false;
  private lost = false;
  private instant = '';
  private mark: Mark | undefined;
  private markTime = '';
  private markSize = 0;
  private missing: [number, number][] = [];
  private readonly report: LogReport;

  constructor(
    private readonly source: LogSource,
    private readonly scanner: Scanner,
    private readonly head: LogHead,
    private readonly checkpoints: LogCheckpoints,
    private readonly periods: readonly PeriodRow[],
    private readonly removed: RemovedMonths,
    /** Rows outside of these events are taken from the tiles. */
    private readonly range: { from: number; to: number },
    private readonly findings: Finding[],
  ) {
    this.report = { log: head.name, size: head.size, unsealed: 0, checkpoints: 0, events: 0, bytes: 0 };
  }

  async run(): Promise<LogReport> {
    this.checkPeriods();
    this.mark = await this.checkpoints.next();
    const sealed = await this.source.largestCheckpoint(this.head.class);
    const end = Math.max(this.head.size, sealed);
    for await (const piece of this.pieces(end)) await this.take(piece);
    await this.marksHere();
    while (this.mark) this.mark = await this.checkpoints.next();
    if (this.suspects.length > 0) this.blame('rows');
    this.sayMissing();
    return { ...this.report, unsealed: end - sealed, checkpoints: this.checkpoints.count };
  }

  /** Pieces in order; some are read ahead. */
  private async *pieces(end: number): AsyncGenerator<Piece> {
    const ahead: Promise<Piece>[] = [];
    // What no full tile holds is a piece of its own: it is always read.
    const tail = Math.floor(end / TILE_WIDTH) * TILE_WIDTH;
    for (let from = 0; from < end;) {
      const to = from < tail ? Math.min(from + UNIT, tail) : end;
      const { coming } = await this.begin(from, to, to === end);
      // Whoever awaits it hears of a failure; until then nobody does.
      coming.catch(() => undefined);
      ahead.push(coming);
      from = to;
      if (ahead.length < this.scanner.width) continue;
      const piece = await ahead.shift();
      if (piece) yield piece;
    }
    for (const piece of ahead) yield await piece;
  }

  /** What lies in tables of its own is read first, before the rows keep the connection busy. */
  private async begin(from: number, to: number, last: boolean): Promise<{ coming: Promise<Piece> }> {
    const { class: ofClass } = this.head;
    const tiles = await this.source.tiles(ofClass, 0, from / TILE_WIDTH, Math.floor(to / TILE_WIDTH));
    const kept = await this.source.leaves(ofClass, from, to);
    const needed = (from < this.range.to && to > this.range.from) || to % TILE_WIDTH !== 0;
    if (!needed) return { coming: Promise.resolve(new Piece(from, to, undefined, tiles, kept)) };
    const scanned = this.scanner.scan(await this.orderOf(from, to, last));
    return { coming: scanned.then((part) => new Piece(from, to, part, tiles, kept)) };
  }

  private async orderOf(from: number, to: number, last: boolean): Promise<ScanOrder> {
    const { class: ofClass, name: log, size } = this.head;
    const low = await this.source.before(ofClass, from);
    // Behind the last event there may be some that nobody sealed.
    const high = last ? undefined : await this.source.holding(ofClass, to);
    return {
      class: ofClass,
      log,
      from,
      to,
      after: low?.at ?? null,
      until: high?.at ?? null,
      low: low?.size ?? 0,
      high: high?.size ?? Math.max(size, to),
      fromHeldAt: (await this.source.holding(ofClass, from))?.at ?? null,
      toAfter: (await this.source.before(ofClass, to))?.at ?? null,
    };
  }

  private async take(piece: Piece): Promise<void> {
    if (piece.scanned) this.note(piece.scanned);
    for (let at = piece.from; at < piece.to;) {
      const tile = this.byTiles || this.lost ? undefined : piece.wholeTile(at);
      const end = Math.min(at + TILE_WIDTH, piece.to);
      if (tile) await this.takeTile(piece, at, tile);
      else await this.takeLeaves(piece, at, end);
      at = end;
    }
  }

  /** Leaves of which nothing is in doubt. */
  private async takeTile(piece: Piece, from: number, tile: Buffer): Promise<void> {
    const end = from + TILE_WIDTH;
    let full: Tile[] = [];
    for (let at = from; at < end;) {
      if ((this.mark?.size ?? Infinity) <= at) await this.marksHere();
      this.comesBehindMark(piece, at);
      const next = Math.min(end, this.mark?.size ?? end);
      for (const instant of piece.instantsBefore(next)) this.begins(instant);
      if (next - at === TILE_WIDTH) full = this.tree.pushTile(tile);
      else for (let i = at; i < next; i++) full = this.tree.push(slice(tile, i - from, 1));
      at = next;
    }
    await this.checkTiles(full, undefined, piece.tiles);
  }

  private async takeLeaves(piece: Piece, from: number, end: number): Promise<void> {
    for (let at = from; at < end; at++) {
      if ((this.mark?.size ?? Infinity) <= this.tree.size) await this.marksHere();
      this.comesBehindMark(piece, at);
      for (const instant of piece.instantsBefore(at + 1)) this.begins(instant);
      const leaf = piece.leaf(at);
      // Without this leaf there is no tree to go on with.
      if (!leaf) this.lost = this.diverged = true;
      if (!leaf || this.lost) continue;
      const stored = piece.stored(at);
      if (stored && !stored.equals(leaf)) {
        this.byTiles ??= this.tree.clone();
        this.suspects.push(at);
      }
      const full = this.tree.push(leaf);
      const fullByTiles = this.byTiles?.push(stored ?? leaf);
      await this.checkTiles(full, fullByTiles, piece.tiles);
    }
  }

  private note(part: Scanned): void {
    this.findings.push(...part.findings);
    this.missing.push(...part.missing);
    this.report.events += part.rows;
    this.report.bytes += part.bytes;
    this.heads = part.heads ?? this.heads;
  }

  /** Rows from here on were sealed at this instant: later than every checkpoint before them, in the month that holds them. */
  private begins({ seq, at }: { seq: number; at: string }): void {
    if (at <= this.markTime)
      this.say('event_backdated', `Event ${seq} of ${this.head.name} says it was sealed before the checkpoint that came before it.`, seq);
    const period = this.periods.find(({ firstSeq, lastSeq }) => seq >= firstSeq && seq <= lastSeq);
    if (period?.period.slice(0, 7) !== at.slice(0, 7))
      this.say(
        'period_altered',
        `Event ${seq} of ${this.head.name} does not lie in the month ${at.slice(0, 7)} by the list of months.`,
        seq,
      );
    this.instant = at;
  }

  /** The first event behind a checkpoint begins a new instant: that of the event before it is the checkpoint's own. */
  private comesBehindMark(piece: Piece, seq: number): void {
    if (seq !== this.markSize || !piece.goesOnAt(seq)) return;
    this.say('event_backdated', `Event ${seq} of ${this.head.name} says it was sealed before the checkpoint that came before it.`, seq);
  }

  /** All checkpoints of the tree's present size. */
  private async marksHere(): Promise<void> {
    while (this.mark && this.mark.size <= this.tree.size) {
      if (this.mark.size === this.tree.size) this.compare(this.mark);
      this.markTime = this.mark.time;
      this.markSize = this.mark.size;
      this.mark = await this.checkpoints.next();
    }
    const period = this.periods.find(({ lastSeq, root }) => root !== null && lastSeq + 1 === this.tree.size);
    if (period && !this.diverged && !this.byTiles && period.root?.equals(this.tree.root) === false)
      this.say('period_altered', `The root of the month ${period.period} of ${this.head.name} is not that of its events.`);
  }

  private compare(mark: Mark): void {
    if (this.instant > mark.time && this.tree.size > 0)
      this.say(
        'event_backdated',
        `Events of ${this.head.name} before ${mark.size} say they were sealed after ${mark.what}.`,
        mark.size - 1,
      );
    if (this.diverged) return;
    const rowsAreRight = mark.root.equals(this.tree.root);
    const tilesAreRight = this.byTiles && mark.root.equals(this.byTiles.root);
    if (rowsAreRight) {
      if (this.byTiles) this.blame('tiles');
      this.proven = mark.size;
    } else if (this.byTiles && tilesAreRight) {
      this.tree = this.byTiles;
      this.blame('rows');
      this.proven = mark.size;
    } else {
      const [suspect] = this.suspects;
      if (this.byTiles) this.blame('rows');
      const named = suspect !== undefined || this.findings.some((f) => f.log === this.head.name && (f.seq ?? -1) >= this.proven);
      this.say(
        'root_differs',
        `The events ${this.proven} to ${mark.size - 1} of ${this.head.name} do not have the root that ${mark.what} signs: at least one of them was altered.`,
        // Where an event is named already, the range it lies in would only come before it.
        named ? undefined : this.proven,
      );
      this.diverged = true;
    }
  }

  private blame(whom: 'rows' | 'tiles'): void {
    if (whom === 'rows')
      for (const seq of this.suspects) this.say('event_altered', `Event ${seq} of ${this.head.name} is not the one that was sealed.`, seq);
    else
      for (const n of new Set(this.suspects.map((seq) => Math.floor(seq / TILE_WIDTH))))
        this.say('tile_altered', `Tile 0/${n} of ${this.head.name} is not what was stored when it was filled.`);
    this.suspects = [];
    this.byTiles = undefined;
  }

  private async checkTiles(
    full: readonly Tile[],
    byTiles: readonly Tile[] | undefined,
    leaves: ReadonlyMap<number, Buffer>,
  ): Promise<void> {
    for (const [i, { level, n, hashes }] of full.entries()) {
      const stored = level === 0 ? leaves.get(n) : (await this.source.tiles(this.head.class, level, n, n + 1)).get(n);
      if (!stored) this.say('tile_altered', `Tile ${level}/${n} of ${this.head.name} is missing.`);
      else if (level > 0 && !stored.equals(hashes) && byTiles?.[i]?.hashes.equals(stored) !== true && !this.diverged)
        this.say('tile_altered', `Tile ${level}/${n} of ${this.head.name} is not what lies below it.`);
    }
  }

  private checkPeriods(): void {
    let next = 0;
    for (const { period, firstSeq, lastSeq } of this.periods) {
      if (firstSeq !== next)
        this.say('period_altered', `The month ${period} of ${this.head.name} does not begin where the one before it ends.`);
      next = lastSeq + 1;
    }
    if (next !== this.head.size)
      this.say('period_altered', `The months of ${this.head.name} hold ${next} events, the log ${this.head.size}.`);
  }

  /** What is missing because the table of a whole month is gone is told from what was taken out. */
  private sayMissing(): void {
    const runs: [number, number][] = [];
    for (const [from, to] of this.missing) {
      const last = runs.at(-1);
      if (last?.[1] === from) last[1] = to;
      else runs.push([from, to]);
    }
    for (const month of this.periods.filter(({ present }) => !present)) {
      const { period, firstSeq, lastSeq } = month;
      if (!runs.some(([from, to]) => from <= firstSeq && to > lastSeq)) continue;
      const why = this.removed.faultOf(this.head.name, month);
      if (why !== undefined)
        this.say(
          'period_missing',
          `The month ${period} of ${this.head.name}, events ${firstSeq} to ${lastSeq}, is gone, and ${why}.`,
          firstSeq,
        );
    }
    for (const [from, to] of runs) {
      const explained = (seq: number): boolean =>
        this.periods.some((p) => !p.present && seq >= p.firstSeq && seq <= p.lastSeq && from <= p.firstSeq && to > p.lastSeq);
      let first = from;
      while (first < to && explained(first))
        first = (this.periods.find((p) => first >= p.firstSeq && first <= p.lastSeq)?.lastSeq ?? first) + 1;
      if (first < to) this.say('event_missing', `Events ${first} to ${to - 1} of ${this.head.name} are not in the log.`, first);
    }
  }

  private say(code: Parameters<typeof found>[0], detail: string, seq?: number): void {
    this.findings.push(found(code, this.head.name, detail, seq === undefined ? {} : { seq }));
  }
}
