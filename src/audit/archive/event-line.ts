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

/** A line of JSON without its end. The payload is a JSON string, so that it comes back as it was, whatever it is. */
export function lineOf(e: ArchivedEvent): string {
  return `{"seq":${e.seq},"id":"${e.id}","sealed_at":"${e.sealedAt}","recorded_at":"${e.recordedAt}","xid":"${e.xid}","epoch":${e.epoch},"leaf":"${e.leaf}","mac":"${e.mac}","payload":${JSON.stringify(e.payload)}}`;
}

/** Undefined when it is none of these lines. */
export function eventOf(line: string): ArchivedEvent | undefined {
  let said: Record<string, unknown>;
  try {
    // What it is, the comparison below tells.
    said = JSON.parse(line) as Record<string, unknown>;
  } catch {
    return undefined;
  }
  const { seq, epoch } = said;
  const texts = [said.id, said.sealed_at, said.recorded_at, said.xid, said.leaf, said.mac, said.payload];
  const [id, sealedAt, recordedAt, xid, leaf, mac, payload] = texts.filter((text) => typeof text === 'string');
  if (typeof seq !== 'number' || typeof epoch !== 'number' || id === undefined || sealedAt === undefined || recordedAt === undefined)
    return undefined;
  if (xid === undefined || leaf === undefined || mac === undefined || payload === undefined) return undefined;
  const event = { seq, id, sealedAt, recordedAt, xid, epoch, leaf, mac, payload };
  return lineOf(event) === line ? event : undefined;
}

/** As a search shows it. */
export function storedEvent({ id, payload, recordedAt, seq }: ArchivedEvent): StoredEvent {
  return { id, payload, recordedAt: new Date(recordedAt), filed: true, archived: true, seq: String(seq), quarantined: null };
}
