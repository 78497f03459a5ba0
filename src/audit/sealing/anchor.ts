/** A signed checkpoint on its way out of the database. */
export interface PublishedCheckpoint {
  /** The name of its class. */
  log: string;
  number: number;
  size: number;
  /** The signed note. */
  note: string;
}

/**
 * A place outside the database that remembers checkpoints. Whoever can rewrite the database must not be able to rewrite this: the tail of a
 * log that is cut off, or a whole log that was signed anew, shows only here.
 */
export abstract class Anchor {
  /** Stable: what was published there is remembered under it. */
  abstract readonly name: string;

  /** What is published while it is not enabled reaches it once it is. */
  isEnabled(): boolean {
    return true;
  }

  /** Publishes it, once or more often, and replaces nothing. Throws when it is not certain that it was kept. */
  abstract publish(checkpoint: PublishedCheckpoint): Promise<void>;
}
