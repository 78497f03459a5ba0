import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { GrowingTree, placeOf, slice, type Tile } from './growing-tree.js';
import { consistencyPath, extendsTree, foldFull, HASH_BYTES, includes, inclusionPath, leafHashHex, type Node } from './merkle.js';

const sha = (...parts: (Buffer | string)[]): Buffer => parts.reduce((h, part) => h.update(part), createHash('sha256')).digest();
const leafOf = (i: number): Buffer => sha('\0', `event ${i}`);
const k = (n: number): number => 2 ** Math.floor(Math.log2(n - 1));

/** RFC 6962 §2.1 word by word. */
function mth(d: Buffer[]): Buffer {
  if (d.length === 0) return sha('');
  if (d.length === 1) return d[0]!;
  return sha('\x01', mth(d.slice(0, k(d.length))), mth(d.slice(k(d.length))));
}

function path(m: number, d: Buffer[]): Buffer[] {
  if (d.length === 1) return [];
  const s = k(d.length);
  return m < s ? [...path(m, d.slice(0, s)), mth(d.slice(s))] : [...path(m - s, d.slice(s)), mth(d.slice(0, s))];
}

function subproof(m: number, d: Buffer[], b: boolean): Buffer[] {
  if (m === d.length) return b ? [] : [mth(d)];
  const s = k(d.length);
  return m <= s ? [...subproof(m, d.slice(0, s), b), mth(d.slice(s))] : [...subproof(m - s, d.slice(s), false), mth(d.slice(0, s))];
}

/** A tree of that many leaves, its full tiles, and a reader over both. */
function grown(size: number): { leaves: Buffer[]; tree: GrowingTree; tiles: Map<string, Tile>; read: (node: Node) => Promise<Buffer> } {
  const leaves = Array.from({ length: size }, (_, i) => leafOf(i));
  const tree = new GrowingTree();
  const tiles = new Map<string, Tile>();
  for (const leaf of leaves) for (const tile of tree.push(leaf)) tiles.set(`${tile.level}/${tile.n}`, tile);
  const read = (node: Node): Promise<Buffer> => {
    const { level, n, start, span } = placeOf(node);
    return Promise.resolve(foldFull(slice(tiles.get(`${level}/${n}`)?.hashes ?? Buffer.concat(tree.edge(level)), start, span)));
  };
  return { leaves, tree, tiles, read };
}

const sizes = fc.oneof(fc.integer({ min: 0, max: 40 }), fc.integer({ min: 200, max: 1300 }), fc.constantFrom(255, 256, 257, 511, 512, 513));

describe('the tree', () => {
  it('A4: a leaf is SHA-256(0x00 ‖ its bytes)', () => {
    expect(leafHashHex('é')).toBe(sha(Buffer.of(0), Buffer.from('é', 'utf8')).toString('hex'));
  });

  it('A4: has the root of RFC 6962 at every size, and full tiles of the hashes of their level', () => {
    fc.assert(
      fc.property(sizes, (size) => {
        const { leaves, tree, tiles } = grown(size);
        expect(tree.root).toEqual(mth(leaves));
        expect([...tiles.values()].filter(({ level }) => level === 0)).toHaveLength(Math.floor(size / 256));
        for (const { level, n, hashes } of tiles.values())
          for (const i of [0, 255]) {
            const span = 256 ** level;
            const first = (n * 256 + i) * span;
            expect(slice(hashes, i, 1)).toEqual(mth(leaves.slice(first, first + span)));
          }
      }),
      { numRuns: 40 },
    );
  });

  it('A4: spans levels of tiles', () => {
    const { leaves, tree, tiles } = grown(65_536 + 300);
    expect(tiles.get('1/0')?.hashes).toHaveLength(256 * HASH_BYTES);
    expect(tree.edge(2)).toEqual([mth(leaves.slice(0, 65_536))]);
    expect(tree.root).toEqual(mth(leaves));
  });

  it('A4: goes on from its unfinished tiles as if it had never stopped', () => {
    fc.assert(
      fc.property(sizes, fc.integer({ min: 1, max: 600 }), (size, more) => {
        const { tree } = grown(size);
        const again = GrowingTree.of([0, 1, 2].map((level) => tree.edge(level)));
        expect([again.size, again.root]).toEqual([tree.size, tree.root]);
        for (let i = 0; i < more; i++) expect(again.push(leafOf(size + i))).toEqual(tree.push(leafOf(size + i)));
        expect(again.root).toEqual(tree.root);
      }),
      { numRuns: 40 },
    );
  });

  it('A4: leaves that are added together make the same tree as one by one, wherever the parts begin', () => {
    fc.assert(
      fc.property(sizes, fc.array(fc.integer({ min: 0, max: 700 }), { maxLength: 4 }), (size, parts) => {
        const { tree } = grown(size);
        const together = tree.clone();
        let at = size;
        for (const part of parts) {
          const leaves = Array.from({ length: part }, (_, i) => leafOf(at + i));
          at += part;
          for (const leaf of leaves) tree.push(leaf);
          together.pushLeaves(Buffer.concat(leaves));
        }
        expect([together.size, together.root]).toEqual([tree.size, tree.root]);
        expect([0, 1].map((level) => together.edge(level))).toEqual([0, 1].map((level) => tree.edge(level)));
      }),
      { numRuns: 40 },
    );
  });

  it('A4: inclusion proofs are those of RFC 6962, convince, and convince of nothing else', async () => {
    await fc.assert(
      fc.asyncProperty(sizes, fc.nat(), fc.nat(), async (size, a, b) => {
        fc.pre(size > 0);
        const { leaves, tree, read } = grown(size);
        const at = a % size;
        const proof = await inclusionPath(read, at, size);
        expect(proof).toEqual(path(at, leaves));
        expect(includes(leaves[at]!, at, size, proof, tree.root)).toBe(true);
        expect(includes(leafOf(size + 1), at, size, proof, tree.root)).toBe(false);
        const other = b % size;
        expect(includes(leaves[at]!, other, size, proof, tree.root)).toBe(other === at);
        expect(includes(leaves[at]!, at, size, proof.slice(1), tree.root)).toBe(proof.length === 0);
      }),
      { numRuns: 100 },
    );
  });

  it('A4: consistency proofs are those of RFC 6962, convince, and convince of nothing else', async () => {
    await fc.assert(
      fc.asyncProperty(sizes, fc.nat(), async (size, a) => {
        fc.pre(size > 0);
        const { leaves, tree, read } = grown(size);
        const first = 1 + (a % size);
        const was = mth(leaves.slice(0, first));
        const proof = await consistencyPath(read, first, size);
        expect(proof).toEqual(subproof(first, leaves, true));
        expect(extendsTree(first, was, size, tree.root, proof)).toBe(true);
        expect(extendsTree(first, leafOf(-1), size, tree.root, proof)).toBe(false);
        expect(extendsTree(first, was, size, leafOf(-1), proof)).toBe(false);
        expect(extendsTree(first, was, size, tree.root, proof.slice(0, -1))).toBe(proof.length === 0);
      }),
      { numRuns: 100 },
    );
  });
});
