import { Injectable } from '@nestjs/common';
import { GrowingTree, placeOf, slice } from './growing-tree.js';
import { consistencyPath, foldFull, HASH_BYTES, type NodeReader, TILE_WIDTH } from './merkle.js';
import { SealingRepository, type StoredCheckpoint } from './sealing.repository.js';

/** What is stored does not have the root that was signed: nothing may be signed on top of it. */
export class SealingRefused extends Error {
  constructor(detail: string) {
    super(detail);
    this.name = 'SealingRefused';
  }
}

/** The trees of the logs at their last checkpoints, kept in memory between batches and made again from what is stored. */
@Injectable()
export class LogTrees {
  private readonly kept = new Map<number, GrowingTree>();

  constructor(private readonly stored: SealingRepository) {}

  /** The tree at this checkpoint, the caller's own. Throws SealingRefused when what is stored has another root. */
  async at(ofClass: number, checkpoint: StoredCheckpoint | undefined): Promise<GrowingTree> {
    if (!checkpoint) return new GrowingTree();
    const kept = this.kept.get(ofClass);
    if (kept?.size === checkpoint.size && kept.root.equals(checkpoint.root)) return kept.clone();
    const tree = await this.rebuilt(ofClass, checkpoint.size, checkpoint.at);
    if (tree.size !== checkpoint.size || !tree.root.equals(checkpoint.root))
      throw new SealingRefused(`The log of class ${ofClass} no longer has the root of its checkpoint ${checkpoint.number}.`);
    this.kept.set(ofClass, tree);
    return tree.clone();
  }

  keep(ofClass: number, tree: GrowingTree): void {
    this.kept.set(ofClass, tree);
  }

  /** Reads complete subtrees of the tree that ends as `tree` does. */
  reader(ofClass: number, tree: GrowingTree): NodeReader {
    const tiles = new Map<string, Buffer>();
    return async (node) => {
      const { level, n, start, span } = placeOf(node);
      const name = `${level}/${n}`;
      let hashes = tiles.get(name);
      if (!hashes) {
        const full = n < Math.floor(tree.size / TILE_WIDTH ** (level + 1));
        hashes = full ? (await this.stored.tiles(ofClass, level, n, n + 1)).get(n) : Buffer.concat(tree.edge(level));
        if (!hashes || hashes.length < (start + span) * HASH_BYTES)
          throw new SealingRefused(`Tile ${name} of class ${ofClass} is missing.`);
        tiles.set(name, hashes);
      }
      return foldFull(slice(hashes, start, span));
    };
  }

  /** The tree of what came before a month. Throws SealingRefused when that is not all there. */
  async before({ class: ofClass, firstSeq, period }: { class: number; firstSeq: number; period: string }): Promise<GrowingTree> {
    const tree = await this.rebuilt(ofClass, firstSeq, `${period} 00:00:00+00`);
    if (tree.size !== firstSeq) throw new SealingRefused(`The log of class ${ofClass} has a gap before ${firstSeq}.`);
    return tree;
  }

  /** The proof that the log at this checkpoint begins with its first `first` events. Throws SealingRefused when it has another root. */
  async consistency(ofClass: number, first: number, checkpoint: StoredCheckpoint): Promise<Buffer[]> {
    const tree = await this.rebuilt(ofClass, checkpoint.size, checkpoint.at);
    if (tree.size !== checkpoint.size || !tree.root.equals(checkpoint.root))
      throw new SealingRefused(`The log of class ${ofClass} no longer has the root of its checkpoint ${checkpoint.number}.`);
    return consistencyPath(this.reader(ofClass, tree), first, checkpoint.size);
  }

  private async rebuilt(ofClass: number, size: number, at: string): Promise<GrowingTree> {
    const [edge, n] = [size % TILE_WIDTH, Math.floor(size / TILE_WIDTH)];
    // A tile that was filled since holds them also when the events are gone.
    const filled = edge === 0 ? undefined : (await this.stored.tiles(ofClass, 0, n, n + 1)).get(n);
    const edges = [split(filled ? slice(filled, 0, edge) : await this.stored.lastHashes(ofClass, size, at, edge))];
    for (let span = TILE_WIDTH, level = 1; span <= size; span *= TILE_WIDTH, level++) {
      const below = await this.stored.tiles(
        ofClass,
        level - 1,
        Math.floor(size / (span * TILE_WIDTH)) * TILE_WIDTH,
        Math.floor(size / span),
      );
      edges.push([...below.values()].map(foldFull));
    }
    return GrowingTree.of(edges);
  }
}

function split(hashes: Buffer): Buffer[] {
  return Array.from({ length: hashes.length / HASH_BYTES }, (_, i) => slice(hashes, i, 1));
}
