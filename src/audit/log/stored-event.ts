/** An event as it was written, and where it lies. */
export interface StoredEvent {
  id: string;
  payload: string;
  /** When the database received it. */
  recordedAt: Date;
  filed: boolean;
  /** bigint: as text. */
  seq: string | null;
}
