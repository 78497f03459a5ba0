import { type StoredEvent } from '../log/stored-event.js';

/** One event as an archive keeps it: everything that the log says of it and that its payload does not. */
export interface ArchivedEvent {
  seq: number;
  id: string;
  /** RFC 3339 in UTC with six decimals. */
  sealedAt: string;
  recordedAt: string;
  xid: string;
  epoch: number;
  /** In hex: what the writer gave as the event's hash, and its MAC. */
  leaf: string;
  mac: string;
  /** To the byte. */
  payload: string;
}

/**
 * What stands in a line before each of its members and at its end, in their order. A leaf is there only when it is not the payload's hash. The
 * payload stands there as it is, or as a JSON string when it is no event that the program wrote: a line is JSON in any case.
 */
export const AROUND = {
  seq: Buffer.from('{"seq":'),
  id: Buffer.from(',"id":"'),
  sealedAt: Buffer.from('","sealed_at":"'),
  recordedAt: Buffer.from('","recorded_at":"'),
  xid: Buffer.from('","xid":"'),
  epoch: Buffer.from('","epoch":'),
  leaf: Buffer.from(',"leaf":"'),
  leafEnd: Buffer.from('"'),
  mac: Buffer.from(',"mac":"'),
  payload: Buffer.from('","payload":'),
  end: Buffer.from('}\n'),
};

export const LINE_FEED = 0x0a;
export const OPENING = 0x7b;
export const CLOSING = 0x7d;
export const QUOTE = 0x22;
export const BACKSLASH = 0x5c;
/** Behind a backslash: four hex digits follow. */
export const LETTER_U = 0x75;

/** How JSON.stringify escapes a byte of a text in UTF-8: the letter behind the backslash; 0 where it leaves the byte as it is. */
export const ESCAPES = Uint8Array.from({ length: 256 }, (_, byte) => {
  if (byte >= 0x80) return 0;
  const [, first, letter] = JSON.stringify(String.fromCharCode(byte));
  return first === '\\' ? (letter ?? '').charCodeAt(0) : 0;
});

/** As a search shows it. */
export function storedEvent({ id, payload, recordedAt, seq }: ArchivedEvent): StoredEvent {
  return { id, payload, recordedAt: new Date(recordedAt), filed: true, archived: true, seq: String(seq), quarantined: null };
}
