import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { notesBelow } from './anchored-notes.js';

describe('notes in a folder', () => {
  let folder: string;

  beforeEach(async () => {
    folder = await mkdtemp(path.join(tmpdir(), 'cadastre-notes-'));
  });

  afterEach(() => rm(folder, { recursive: true, force: true }));

  it('A4: one that is thinned while they are read is passed over', async () => {
    for (const number of ['1', '2', '3']) await writeFile(path.join(folder, `${number}.note`), number);
    const read: string[] = [];
    for await (const { content } of notesBelow(folder)) {
      read.push(content);
      for (const number of ['1', '2', '3']) if (number !== content) await rm(path.join(folder, `${number}.note`), { force: true });
    }
    expect(read).toHaveLength(1);
  });
});
