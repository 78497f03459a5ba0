import { type Json } from '../../kernel/canonical-json.js';
import { type StoredEvent } from '../log/stored-event.js';
import { columnsOf, type PersonalColumns } from './personal-members.js';

/** The members that lie beside an event so that it can be found. */
const FOUND_BY = ['/actor/name', '/resource/name', '/detail', '/request/clientIp'];

/** What lay beside an event, as far as it could be opened again: nothing beside one that was never encrypted. */
export function columnsAgain({ payload, opened }: Pick<StoredEvent, 'payload' | 'opened'>): PersonalColumns {
  if (!opened) return { clientIp: null, names: null };
  const sealed = JSON.parse(payload) as Json;
  const members: Record<string, Json> = {};
  for (const pointer of FOUND_BY) {
    const value = at(opened.event, pointer);
    if (value !== undefined && at(sealed, pointer) === undefined) members[pointer] = value;
  }
  // Whoever has no name any more is called by their id, which is no name.
  if (members['/actor/name'] === at(sealed, '/actor/id')) delete members['/actor/name'];
  return columnsOf([{ of: 'both', person: '', members }]);
}

function at(event: Json, pointer: string): Json | undefined {
  let value: Json | undefined = event;
  for (const name of pointer.slice(1).split('/'))
    value = typeof value === 'object' && value !== null && !Array.isArray(value) ? value[name] : undefined;
  return value;
}
