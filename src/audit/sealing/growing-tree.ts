import { EMPTY_ROOT, foldFull, HASH_BYTES, nodeHash, type Node, TILE_HEIGHT, TILE_WIDTH } from './merkle.js';

/** 256 hashes of one level of the tree; level n counts subtrees of 256^n leaves (C2SP tlog-tiles). */
export interface Tile {
  level: number;
  n: number;
  hashes: Buffer;
}

interface Peak {
  height: number;
  hash: Buffer;
}

/**
 * The right edge of an RFC 6962 tree: what is needed to add leaves and to know the root, and the tiles that are not full yet. Its size in
 * memory is that of a few tiles, whatever the tree's.
 */
export class GrowingTree {
  size = 0;
  /** Complete subtrees from the left, each smaller than the one before: a compact range. */
  private peaks: Peak[] = [];
  /** The hashes of each level's last tile. */
  private edges: Buffer[][] = [[]];

  /** From the unfinished tiles of every level, the lowest first. */
  static of(edges: readonly (readonly Buffer[])[]): GrowingTree {
    const tree = new GrowingTree();
    for (let level = edges.length - 1; level >= 0; level--) {
      const edge = edges[level] ?? [];
      tree.edges[level] = [...edge];
      for (const hash of edge) tree.raise({ height: level * TILE_HEIGHT, hash }, (level + 1) * TILE_HEIGHT);
      tree.size += edge.length * TILE_WIDTH ** level;
    }
    for (let level = 0; level < tree.edges.length; level++) tree.edges[level] ??= [];
    return tree;
  }

  clone(): GrowingTree {
    const twin = new GrowingTree();
    twin.size = this.size;
    twin.peaks = [...this.peaks];
    twin.edges = this.edges.map((edge) => [...edge]);
    return twin;
  }

  /** Adds a leaf hash and returns the tiles it completes, the lowest first. */
  push(leaf: Buffer): Tile[] {
    this.size++;
    return this.join({ height: 0, hash: leaf }, []);
  }

  /** The same for all the leaves of a tile at once. The tree has to end with a full one. */
  pushTile(hashes: Buffer): Tile[] {
    if (this.size % TILE_WIDTH !== 0 || hashes.length !== TILE_WIDTH * HASH_BYTES)
      throw new RangeError(`A tree of ${this.size} leaves does not go on with a tile.`);
    this.size += TILE_WIDTH;
    return this.join({ height: TILE_HEIGHT, hash: foldFull(hashes) }, [{ level: 0, n: this.size / TILE_WIDTH - 1, hashes }]);
  }

  /** Adds leaf hashes that lie behind each other: the same as one by one, sooner. */
  pushLeaves(hashes: Buffer): void {
    const count = hashes.length / HASH_BYTES;
    for (let at = 0; at < count;) {
      const width = this.size % TILE_WIDTH === 0 && count - at >= TILE_WIDTH ? TILE_WIDTH : 1;
      if (width === 1) this.push(slice(hashes, at, 1));
      else this.pushTile(slice(hashes, at, width));
      at += width;
    }
  }

  get root(): Buffer {
    const root = this.peaks.reduceRight<Buffer | undefined>((right, { hash }) => (right ? nodeHash(hash, right) : hash), undefined);
    return root ?? EMPTY_ROOT;
  }

  /** The tile that is not full yet; empty when the level has none. */
  edge(level: number): readonly Buffer[] {
    return this.edges[level] ?? [];
  }

  private join(added: Peak, full: Tile[]): Tile[] {
    let node = added;
    this.extend(node.height / TILE_HEIGHT, node.hash, full);
    for (let left = this.peaks.at(-1); left?.height === node.height; left = this.peaks.at(-1)) {
      this.peaks.pop();
      node = { height: node.height + 1, hash: nodeHash(left.hash, node.hash) };
      if (node.height % TILE_HEIGHT === 0) this.extend(node.height / TILE_HEIGHT, node.hash, full);
    }
    this.peaks.push(node);
    return full;
  }

  private extend(level: number, hash: Buffer, full: Tile[]): void {
    const edge = (this.edges[level] ??= []);
    edge.push(hash);
    if (edge.length < TILE_WIDTH) return;
    full.push({ level, n: this.size / TILE_WIDTH ** (level + 1) - 1, hashes: Buffer.concat(edge) });
    this.edges[level] = [];
  }

  private raise(peak: Peak, below: number): void {
    let node = peak;
    for (let left = this.peaks.at(-1); left?.height === node.height && node.height < below; left = this.peaks.at(-1)) {
      this.peaks.pop();
      node = { height: node.height + 1, hash: nodeHash(left.hash, node.hash) };
    }
    this.peaks.push(node);
  }
}

/** Where a complete subtree lies in the tiles: `span` hashes from `start` in one tile. */
export function placeOf({ height, index }: Node): { level: number; n: number; start: number; span: number } {
  const level = Math.floor(height / TILE_HEIGHT);
  const span = 2 ** (height % TILE_HEIGHT);
  const first = index * span;
  return { level, n: Math.floor(first / TILE_WIDTH), start: first % TILE_WIDTH, span };
}

/** A part of a tile's bytes. */
export function slice(hashes: Buffer, start: number, span: number): Buffer {
  return hashes.subarray(start * HASH_BYTES, (start + span) * HASH_BYTES);
}
