import { type Readable } from 'node:stream';

export interface PutOptions {
  /** How long the stream is, when that is known: then what is longer or shorter is refused. */
  bytes?: number;
  /** Its SHA-256 in hex, when that is known: then anything else is refused. */
  sha256?: string;
  /** Refuse when there is such an object already. How surely, `capabilities()` says. */
  createOnly: boolean;
  /** Up to 2 KiB of printable ASCII under names of lower-case letters, digits and dashes. */
  metadata?: Readonly<Record<string, string>>;
  /** Which of the store's classes, such as GLACIER; without it, that of the configuration or the store. */
  storageClass?: string;
  /** Nobody removes or replaces this version before then. */
  lock?: ObjectLock;
}

export interface ObjectLock {
  /** In governance mode there are people who may end it early; in compliance mode there is nobody. */
  mode: 'governance' | 'compliance';
  until: Date;
}

export interface StoredObject {
  /** Changes whenever the content does; only to be compared. */
  etag: string;
  /** Where the store keeps versions. */
  version?: string;
  bytes: number;
  sha256: string;
}

export interface ObjectFacts extends Omit<StoredObject, 'sha256'> {
  /** Absent when it was not known before the first byte was sent, or when somebody else put the object there. */
  sha256?: string;
  metadata: Record<string, string>;
  storageClass?: string;
  storedAt: Date;
}

/** At least one byte. */
export interface ByteRange {
  offset: number;
  length: number;
}

export interface OpenedObject {
  /** Has to be read or destroyed. Fails with `storage_corrupt` at its end when what came is not what was stored. */
  stream: Readable;
  facts: ObjectFacts;
}

export type ListedObject = Pick<ObjectFacts, 'bytes' | 'storedAt'> & { key: string };

export interface ObjectPage {
  items: ListedObject[];
  /** What to hand in as `after` for the next page; absent on the last one. */
  next?: string;
}

/** What a store was seen to do. */
export interface Capabilities {
  /**
   * Whether two that create the same object at once cannot both succeed: always; only for `small` ones, which are sent in one request, while for
   * others the store is asked right before they appear; or never, when it is only asked.
   */
  createOnly: 'always' | 'small' | 'never';
  ranges: boolean;
  /** A locked object was tried to be removed, and stayed. */
  objectLock: boolean;
  /** Of STANDARD and the configured class, those that an object kept. */
  storageClasses: string[];
}

/**
 * Named streams of bytes, kept elsewhere. Whatever the size, memory stays flat; an object is there whole or not at all; keys are those of
 * `checkKey`. Drivers keep to test/support/storage-conformance.ts and throw nothing but the codes of storage-error.ts, or what the stream they
 * were given to store failed with.
 */
export abstract class ObjectStorage {
  /**
   * Stores all of the stream. Throws `storage_exists` where only creation was asked for, `storage_corrupt` when the stream is not of the length or
   * digest that was said: then nothing was stored. After `storage_unavailable` it may have been.
   */
  abstract put(key: string, content: Readable, options: PutOptions): Promise<StoredObject>;

  /** Throws `storage_not_found`; `storage_corrupt` when the range reaches past the end. A whole object is compared with its digest as it is read. */
  abstract get(key: string, options?: { range?: ByteRange }): Promise<OpenedObject>;

  /** Throws `storage_not_found`. */
  abstract head(key: string): Promise<ObjectFacts>;

  /** Objects whose key begins with `prefix` and comes after `after`, in the order of their keys' bytes; `limit` is 1 to 1000. */
  abstract list(prefix: string, after: string | undefined, limit: number): Promise<ObjectPage>;

  /** Nothing happens when there is none. Where versions are kept, only naming one removes it for good. */
  abstract delete(key: string, version?: string): Promise<void>;

  /** Tried out with small objects the first time, then remembered. */
  abstract capabilities(): Promise<Capabilities>;

  /** Removes what puts that never ended have left, if they began before then. Returns how much that was. */
  abstract sweep(before: Date): Promise<number>;
}
