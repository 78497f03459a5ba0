import { type Finding } from './finding.js';

/** A part of one log: the events [from, to), all sealed after one checkpoint and not after another. */
export interface ScanOrder {
  class: number;
  log: string;
  from: number;
  to: number;
  after: string | null;
  until: string | null;
  /** What may lie between those two checkpoints: [low, high). */
  low: number;
  high: number;
  /** When the events before `from` were sealed at the latest, and those from `to` on at the earliest: which neighbours another part reads. */
  fromHeldAt: string | null;
  toAfter: string | null;
}

/** What the meta log says of each log. */
export type Heads = Record<string, { number: number; size: number; root: string }>;

export interface Scanned {
  order: ScanOrder;
  /** 32 bytes for each event; zeros where it is missing. */
  leaves: Uint8Array;
  /** Runs of events that are not there: [from, to). */
  missing: [number, number][];
  /** The first event of each sealing instant, in order. */
  instants: { seq: number; at: string }[];
  /** The first so many, by event. */
  findings: Finding[];
  rows: number;
  bytes: number;
  /** What the last audit.checkpointed event of this part says of the logs. */
  heads: Heads | undefined;
}
