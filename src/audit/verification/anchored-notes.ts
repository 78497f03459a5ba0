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

/** What is believed of the checkpoints that were found. Those of other installations are left alone. */
export class AnchoredNotes {
  /** By log, then by number: more than one where a history was forked. */
  readonly byLog = new Map<string, Map<number, AnchoredNote[]>>();
  read = 0;
  private doubtful: FoundNote[] = [];

  constructor(private readonly installation: string) {}

  async take(found: AsyncIterable<FoundNote>, keys: TrustedKeys): Promise<void> {
    for await (const note of found) this.judge(note, keys);
  }

  /** What none of these keys signed: they may know one that was not there yet when a note was found. */
  faults(keys: TrustedKeys): Finding[] {
    const again = this.doubtful;
    this.doubtful = [];
    this.read -= again.length;
    for (const note of again) this.judge(note, keys);
    return this.doubtful.map(({ place, content }) => {
      const log = parseCheckpoint(parseNote(content)?.text ?? '')?.origin.split('/')[2] ?? '';
      return findingOf('anchor_altered', log || 'meta', `The anchor ${place} is not signed by a key of this log.`);
    });
  }

  private judge({ place, content }: FoundNote, keys: TrustedKeys): void {
    const note = parseNote(content);
    const checkpoint = note && parseCheckpoint(note.text);
    const [, owner, log = ''] = checkpoint?.origin.split('/') ?? [];
    if (note && checkpoint && owner !== this.installation) return;
    this.read++;
    if (!note || !checkpoint || !keys.signedByAny(note, checkpoint.origin)) {
      this.doubtful.push({ place, content });
      return;
    }
    const ofLog = this.byLog.get(log) ?? new Map<number, AnchoredNote[]>();
    this.byLog.set(log, ofLog);
    const { number, size, epoch } = checkpoint;
    const known = ofLog.get(number) ?? [];
    // Most lie in more than one place.
    if (!known.some(({ text }) => text === note.text)) ofLog.set(number, [...known, { file: place, number, size, epoch, text: note.text }]);
  }
}

/** The notes in files below a folder; a folder that is not there has none. One that is thinned meanwhile is passed over: a newer one stands for it. */
export async function* notesBelow(folder: string): AsyncGenerator<FoundNote> {
  for await (const file of noteFiles(folder)) {
    const content = await readFile(file, 'utf8').catch(unlessGone);
    if (content !== undefined) yield { place: file, content };
  }
}

async function* noteFiles(folder: string): AsyncGenerator<string> {
  const entries = (await readdir(folder, { withFileTypes: true }).catch(unlessGone)) ?? [];
  for (const entry of entries) {
    const file = path.join(folder, entry.name);
    if (entry.isDirectory()) yield* noteFiles(file);
    else if (entry.name.endsWith('.note')) yield file;
  }
}

function unlessGone(error: unknown): undefined {
  if (!isFileError(error, 'ENOENT')) throw error;
}
