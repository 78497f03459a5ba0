import { readdir, rm, stat } from 'node:fs/promises';
import path from 'node:path';

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
/** All of them stay so long; then the last of each hour, and after some months the last of each day. */
const ALL_MS = 3 * DAY_MS;
const HOURLY_MS = 90 * DAY_MS;
/** Whoever has let them grow for years gets them thinned in some hours. */
const MOST = 50_000;

interface Note {
  file: string;
  number: number;
  at: number;
}

/** Removes notes that a newer one stands for, by the times of their files, and returns how many. Two notes of one number both stay: that is evidence. */
export async function thinNotes(folder: string, now: Date): Promise<number> {
  let removed = 0;
  for (const log of await foldersIn(folder))
    for (const month of await foldersIn(log))
      for (const { file } of redundant(await notesIn(month, now), now)) {
        if (removed >= MOST) return removed;
        await rm(file);
        removed++;
      }
  return removed;
}

/** All but the last of each hour or day. */
function redundant(notes: readonly Note[], now: Date): Note[] {
  const last = new Map<string, Note>();
  const span = ({ at }: Note): string =>
    now.getTime() - at > HOURLY_MS ? `day ${Math.floor(at / DAY_MS)}` : `hour ${Math.floor(at / HOUR_MS)}`;
  for (const note of notes) if ((last.get(span(note))?.number ?? -1) < note.number) last.set(span(note), note);
  const kept = new Set(last.values());
  return notes.filter((note) => !kept.has(note));
}

/** Those of a month that are old enough. */
async function notesIn(month: string, now: Date): Promise<Note[]> {
  const names = await readdir(month);
  const forked = new Set(names.filter((name) => /^\d+\.[0-9a-f]+\.note$/.test(name)).map((name) => Number.parseInt(name, 10)));
  const notes: Note[] = [];
  for (const name of names) {
    const number = Number.parseInt(name, 10);
    if (!/^\d+\.note$/.test(name) || forked.has(number)) continue;
    const file = path.join(month, name);
    const at = (await stat(file)).mtimeMs;
    if (now.getTime() - at > ALL_MS) notes.push({ file, number, at });
  }
  return notes;
}

async function foldersIn(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { withFileTypes: true });
  return entries.filter((entry) => entry.isDirectory()).map(({ name }) => path.join(folder, name));
}
