import { slice } from '../sealing/growing-tree.js';
import { TILE_WIDTH } from '../sealing/merkle.js';
import { type Scanned } from './scanned.js';

/** The events [from, to) as they were read, beside what is stored of their hashes. Asked in the order of the events. */
export class Piece {
  private readonly leaves: Buffer | undefined;
  private run = 0;
  private gap = 0;

  constructor(
    readonly from: number,
    readonly to: number,
    /** Absent where nothing was to be read: the tree is that of the tiles there. */
    readonly scanned: Scanned | undefined,
    readonly tiles: ReadonlyMap<number, Buffer>,
    /** Hashes of events that were taken out before their tile was full. */
    private readonly kept: ReadonlyMap<number, Buffer>,
  ) {
    this.leaves = scanned && Buffer.from(scanned.leaves.buffer);
  }

  stored(at: number): Buffer | undefined {
    const tile = this.tiles.get(Math.floor(at / TILE_WIDTH));
    return tile ? slice(tile, at % TILE_WIDTH, 1) : this.kept.get(at);
  }

  /** What was read, and where nothing was, what is stored. */
  leaf(at: number): Buffer | undefined {
    return this.leaves && at < this.nextGap(at) ? slice(this.leaves, at - this.from, 1) : this.stored(at);
  }

  /** The tile that begins here, where all of it was read and is what is stored. */
  wholeTile(at: number): Buffer | undefined {
    if (at % TILE_WIDTH !== 0 || at + TILE_WIDTH > this.to) return undefined;
    const stored = this.tiles.get(at / TILE_WIDTH);
    if (!this.leaves) return stored;
    if (this.nextGap(at) < at + TILE_WIDTH) return undefined;
    return stored?.equals(slice(this.leaves, at - this.from, TILE_WIDTH)) ? stored : undefined;
  }

  /** Whether this event was read, and says it was sealed at the instant of the one before it. */
  goesOnAt(at: number): boolean {
    return this.scanned !== undefined && at < this.nextGap(at) && this.scanned.instants[this.run]?.seq !== at;
  }

  /** The sealing instants that begin before this event and were not given yet. */
  *instantsBefore(end: number): Generator<{ seq: number; at: string }> {
    for (;;) {
      const next = this.scanned?.instants[this.run];
      if (!next || next.seq >= end) return;
      this.run++;
      yield next;
    }
  }

  /** The first event from here on that was not there. */
  private nextGap(at: number): number {
    const missing = this.scanned?.missing ?? [];
    while ((missing[this.gap]?.[1] ?? Infinity) <= at) this.gap++;
    return missing[this.gap]?.[0] ?? Infinity;
  }
}
