import { badStorageKey } from './storage-error.js';

const MOST_BYTES = 1024;
/** What a folder of a common file system takes for a name. */
const MOST_BYTES_OF_A_PART = 255;
const PRINTABLE = /^[\x20-\x7e]*$/;
const METADATA_NAME = /^[a-z0-9][a-z0-9-]{0,63}$/;
const MOST_METADATA_BYTES = 2048;
/** Names of the drivers' own metadata begin so. */
const RESERVED = 'cadastre-';

/**
 * A key that means the same to a bucket and to a folder: at most 1024 printable ASCII characters without backslash, in parts of at most 255 that
 * are separated by single slashes and are neither empty nor `.` nor `..`. Throws `storage_bad_key`.
 */
export function checkKey(key: string): void {
  checkCharacters(key);
  for (const part of key.split('/')) {
    if (part === '' || part === '.' || part === '..') throw badStorageKey('A key has no empty part, and none that is . or ..');
    if (part.length > MOST_BYTES_OF_A_PART)
      throw badStorageKey(`The part of a key between two slashes has at most ${MOST_BYTES_OF_A_PART} characters.`);
  }
}

/** The beginning of a key, which may end anywhere in it. Throws `storage_bad_key`. */
export function checkPrefix(prefix: string): void {
  checkCharacters(prefix);
  const folders = prefix.split('/').slice(0, -1);
  if (folders.some((part) => part === '' || part === '.' || part === '..'))
    throw badStorageKey('A prefix has no empty part, and none that is . or ..');
}

/** Throws an error that is nobody’s but the caller’s: metadata is never what a person typed. */
export function checkMetadata(metadata: Readonly<Record<string, string>>): void {
  let bytes = 0;
  for (const [name, value] of Object.entries(metadata)) {
    bytes += name.length + value.length;
    if (!METADATA_NAME.test(name) || name.startsWith(RESERVED)) throw new Error(`No metadata can be named ${name}.`);
    // The ends of a header’s value are not kept.
    if (!PRINTABLE.test(value) || value !== value.trim()) throw new Error(`The metadata ${name} is not printable ASCII.`);
  }
  if (bytes > MOST_METADATA_BYTES) throw new Error(`The metadata is larger than ${MOST_METADATA_BYTES} bytes.`);
}

function checkCharacters(text: string): void {
  if (text.length > MOST_BYTES) throw badStorageKey(`A key has at most ${MOST_BYTES} characters.`);
  if (!PRINTABLE.test(text) || text.includes('\\')) throw badStorageKey('A key is of printable ASCII characters, without a backslash.');
}
