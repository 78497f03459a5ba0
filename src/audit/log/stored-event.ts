import { type Json } from '../../kernel/canonical-json.js';

/** An event as it was written, and where it lies. */
export interface StoredEvent {
  id: string;
  payload: string;
  /** The payload with what is personal put back, as far as its keys are there; absent where nothing was encrypted. */
  opened?: OpenedEvent;
  /** When the database received it. */
  recordedAt: Date;
  filed: boolean;
  /** Read from an archive: its month is no longer in the database. */
  archived?: true;
  /** bigint: as text. */
  seq: string | null;
  /** Why it is not to be believed, when its hash or its writer were wrong as it was sealed. */
  quarantined: 'leaf' | 'writer' | null;
}

export interface OpenedEvent {
  event: Record<string, Json>;
  /** The key of somebody in it was destroyed. */
  erased: boolean;
  /** The key of somebody in it is wrapped by a key that this process does not have. */
  keyMissing: boolean;
}
