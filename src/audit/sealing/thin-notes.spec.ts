import { mkdir, mkdtemp, readdir, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { thinNotes } from './thin-notes.js';

const NOW = new Date('2026-11-20T12:00:00Z');
const MINUTE = 60_000;
const DAY = 1440 * MINUTE;

describe('anchors that newer ones stand for', () => {
  let folder: string;
  let month: string;

  beforeEach(async () => {
    folder = await mkdtemp(path.join(tmpdir(), 'cadastre-thin-'));
    month = path.join(folder, 'ipam', '2026-11');
    await mkdir(month, { recursive: true });
  });

  afterEach(() => rm(folder, { recursive: true }));

  async function note(number: number, agoMs: number, mark = ''): Promise<string> {
    const name = `${String(number).padStart(12, '0')}${mark}.note`;
    await writeFile(path.join(month, name), 'note');
    const at = new Date(NOW.getTime() - agoMs);
    await utimes(path.join(month, name), at, at);
    return name;
  }

  it('A3: all of three days stay, then the last of each hour, then the last of each day; a second run removes nothing', async () => {
    const kept: string[] = [];
    // By day, 100 days ago and the day after; by hour, 10 days ago; all of today.
    await note(1, 100 * DAY);
    kept.push(await note(2, 100 * DAY - MINUTE));
    kept.push(await note(3, 99 * DAY));
    await note(4, 10 * DAY - 1);
    kept.push(await note(5, 10 * DAY - 59 * MINUTE));
    kept.push(await note(6, 10 * DAY - 61 * MINUTE));
    kept.push(await note(7, 2 * MINUTE), await note(8, MINUTE));
    await writeFile(path.join(month, 'something else'), '');
    expect(await thinNotes(folder, NOW)).toBe(2);
    expect((await readdir(month)).sort()).toEqual([...kept, 'something else'].sort());
    expect(await thinNotes(folder, NOW)).toBe(0);
  });

  it('A4: two of one number both stay', async () => {
    const forked = [await note(1, 200 * DAY), await note(1, 200 * DAY, '.0a1b2c3d')];
    const last = await note(2, 200 * DAY - MINUTE);
    expect(await thinNotes(folder, NOW)).toBe(0);
    expect((await readdir(month)).sort()).toEqual([...forked, last].sort());
  });
});
