import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { isFileError } from '../sealing/file-error.js';
import { parseCheckpoint } from '../sealing/checkpoint.js';
import { parseNote } from '../sealing/signed-note.js';
import { type Finding, found as findingOf } from './finding.js';
import { type TrustedKeys } from './trusted-keys.js';

/** What lies where an anchor put it. */
export interface FoundNote {
  place: string;
  content: string;
}

/** Where the newest checkpoints lie besides the folder, where that is configured. */
export abstract class AnchoredElsewhere {
  /** Throws what the store does: anchors that cannot be read must not pass for anchors that say nothing. */
  abstract newest(installation: string, logs: readonly string[]): AsyncIterable<FoundNote>;
}

export interface AnchoredNote {
  file: string;
  number: number;
  size: number;
  epoch: number;
  text: string;
}

export interface AnchoredNotes {
  /** By log, then by number: more than one where a history was forked. */
  byLog: Map<string, Map<number, AnchoredNote[]>>;
  findings: Finding[];
  read: number;
}

/** What is believed of the checkpoints that were found. Those of other installations are left alone. */
export async function readAnchors(found: AsyncIterable<FoundNote>, installation: string, keys: TrustedKeys): Promise<AnchoredNotes> {
  const notes: AnchoredNotes = { byLog: new Map(), findings: [], read: 0 };
  for await (const { place, content } of found) {
    const note = parseNote(content);
    const checkpoint = note && parseCheckpoint(note.text);
    const [, owner, log = ''] = checkpoint?.origin.split('/') ?? [];
    if (note && checkpoint && owner !== installation) continue;
    notes.read++;
    if (!note || !checkpoint || !keys.signedByAny(note, checkpoint.origin)) {
      notes.findings.push(findingOf('anchor_altered', log || 'meta', `The anchor ${place} is not signed by a key of this log.`));
      continue;
    }
    const ofLog = notes.byLog.get(log) ?? new Map<number, AnchoredNote[]>();
    notes.byLog.set(log, ofLog);
    const { number, size, epoch } = checkpoint;
    const known = ofLog.get(number) ?? [];
    // Most lie in more than one place.
    if (!known.some(({ text }) => text === note.text)) ofLog.set(number, [...known, { file: place, number, size, epoch, text: note.text }]);
  }
  return notes;
}

/** The notes in files below a folder; a folder that is not there has none. */
export async function* notesBelow(folder: string): AsyncGenerator<FoundNote> {
  for await (const file of noteFiles(folder)) yield { place: file, content: await readFile(file, 'utf8') };
}

async function* noteFiles(folder: string): AsyncGenerator<string> {
  const entries = await readdir(folder, { withFileTypes: true }).catch((error: unknown) => {
    if (isFileError(error, 'ENOENT')) return [];
    throw error;
  });
  for (const entry of entries) {
    const file = path.join(folder, entry.name);
    if (entry.isDirectory()) yield* noteFiles(file);
    else if (entry.name.endsWith('.note')) yield file;
  }
}
