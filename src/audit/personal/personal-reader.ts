import { Injectable } from '@nestjs/common';
import { isJsonObject, type Json } from '../../kernel/canonical-json.js';
import { type OpenedEvent, type StoredEvent } from '../log/stored-event.js';
import { decrypt } from './data-key.js';
import { putBack } from './personal-members.js';
import { SubjectKeys } from './subject-keys.js';

interface SealedPart {
  key: string;
  data: string;
}

interface Personal {
  event: Record<string, Json>;
  parts: SealedPart[];
}

/** The one place where what is encrypted is read: every reader of the trail gets its events through here. */
@Injectable()
export class PersonalReader {
  constructor(private readonly keys: SubjectKeys) {}

  /** The same events, opened as far as their keys are there. Keys that are not known yet are one question for all of them. */
  async open<T extends StoredEvent>(stored: readonly T[]): Promise<T[]> {
    const personal = stored.map((event) => personalIn(event.payload));
    const kids = new Set(personal.flatMap((one) => one?.parts.map(({ key }) => key) ?? []));
    if (kids.size === 0) return [...stored];
    const keys = await this.keys.byKids(kids);
    return stored.map((event, i) => {
      const one = personal[i];
      return one ? { ...event, opened: opened(event.id, one, keys) } : event;
    });
  }
}

function opened(id: string, { event, parts }: Personal, keys: Awaited<ReturnType<SubjectKeys['byKids']>>): OpenedEvent {
  let [erased, keyMissing] = [false, false];
  for (const { key: kid, data } of parts) {
    const key = keys.get(kid);
    if (key === undefined || typeof key === 'string') {
      erased ||= key === 'erased';
      keyMissing ||= key !== 'erased';
      continue;
    }
    try {
      // Of pointers and values: AuditTrail made it, or it does not open.
      putBack(event, JSON.parse(decrypt(key, data, id)) as Record<string, Json>);
    } catch {
      keyMissing = true;
    }
  }
  const { actor } = event;
  // Whoever has no name any more is called by what is left.
  if (isJsonObject(actor) && actor.name === undefined) actor.name = actor.id ?? 'unknown';
  return { event, erased, keyMissing };
}

function personalIn(payload: string): Personal | undefined {
  // Most of a page may have none, and need not be parsed twice.
  if (!payload.includes('"personal":')) return undefined;
  try {
    const event = JSON.parse(payload) as Json;
    if (!isJsonObject(event) || !Array.isArray(event.personal)) return undefined;
    const parts = event.personal.flatMap((part) =>
      isJsonObject(part) && typeof part.key === 'string' && typeof part.data === 'string' ? [{ key: part.key, data: part.data }] : [],
    );
    return parts.length > 0 ? { event, parts } : undefined;
  } catch {
    return undefined;
  }
}
