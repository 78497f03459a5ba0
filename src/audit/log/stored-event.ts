/** An event as it was written, and where it lies. */
export interface StoredEvent {
  id: string;
  payload: string;
  /** When the database received it. */
  recordedAt: Date;
  filed: boolean;
  /** bigint: as text. */
  seq: string | null;
  /** Why it is not to be believed, when its hash or its writer were wrong as it was sealed. */
  quarantined: 'leaf' | 'writer' | null;
}
