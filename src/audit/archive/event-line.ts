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

/** What stands in a line before each of its members and at its end, in their order. The payload is a JSON string, so that it comes back as it was. */
export const AROUND = [
  '{"seq":',
  ',"id":"',
  '","sealed_at":"',
  '","recorded_at":"',
  '","xid":"',
  '","epoch":',
  ',"leaf":"',
  '","mac":"',
  '","payload":"',
  '"}\n',
].map((text) => Buffer.from(text));

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
