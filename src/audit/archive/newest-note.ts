import { type ObjectStorage } from '../../platform/storage/object-storage.js';

const DIGITS = 12;
const LISTED = 1000;

/** Keys in the order of their numbers. */
export function noteKey(folder: string, number: number): string {
  return `${folder}${String(number).padStart(DIGITS, '0')}.note`;
}

/** Of another note with the number of this one. */
export function forkedKey(key: string, digest: string): string {
  return key.replace(/\.note$/, `.${digest}.note`);
}

/** The last key in a folder of notes, which may have one for every second: it is not listed, but looked through in steps. */
export async function newestNote(store: Pick<ObjectStorage, 'list'>, folder: string): Promise<string | undefined> {
  const page = await store.list(folder, undefined, LISTED);
  let last = page.items.at(-1)?.key;
  if (page.next === undefined) return last;
  let growing = true;
  for (let step = LISTED; last !== undefined;) {
    const number = Number(last.slice(folder.length, folder.length + DIGITS));
    // Somebody else's: whoever reads it will say so.
    if (!Number.isSafeInteger(number)) return last;
    const [ahead] = (await store.list(folder, noteKey(folder, number + step), 1)).items;
    if (ahead) {
      last = ahead.key;
      if (growing) step *= 2;
    } else {
      if (step === 0) return last;
      growing = false;
      step = Math.floor(step / 2);
    }
  }
  return last;
}
