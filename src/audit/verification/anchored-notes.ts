import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { isFileError } from '../sealing/file-error.js';
import { parseCheckpoint } from '../sealing/checkpoint.js';
import { parseNote } from '../sealing/signed-note.js';
import { type Finding, found } from './finding.js';
import { type TrustedKeys } from './trusted-keys.js';

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

/** Checkpoints found in files below a folder. Those of other installations are left alone; a folder that is not there has none. */
export async function readAnchors(folder: string | undefined, installation: string, keys: TrustedKeys): Promise<AnchoredNotes> {
  const notes: AnchoredNotes = { byLog: new Map(), findings: [], read: 0 };
  if (folder === undefined) return notes;
  for await (const file of noteFiles(folder)) {
    const note = parseNote(await readFile(file, 'utf8'));
    const checkpoint = note && parseCheckpoint(note.text);
    const [, owner, log = ''] = checkpoint?.origin.split('/') ?? [];
    if (note && checkpoint && owner !== installation) continue;
    notes.read++;
    if (!note || !checkpoint || !keys.signedByAny(note, checkpoint.origin)) {
      notes.findings.push(found('anchor_altered', log || 'meta', `The anchor ${file} is not signed by a key of this log.`));
      continue;
    }
    const ofLog = notes.byLog.get(log) ?? new Map<number, AnchoredNote[]>();
    notes.byLog.set(log, ofLog);
    const { number, size, epoch } = checkpoint;
    ofLog.set(number, [...(ofLog.get(number) ?? []), { file, number, size, epoch, text: note.text }]);
  }
  return notes;
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
