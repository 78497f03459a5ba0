import { createSecretKey, randomBytes } from 'node:crypto';
import fc from 'fast-check';
import { canonicalJson, type Json, toJson } from '../../kernel/canonical-json.js';
import { decrypt } from './data-key.js';
import { type Members, personsIn, putBack } from './personal-members.js';
import { hide } from './personal-payload.js';

const KEY = { kid: 'kid', key: createSecretKey(randomBytes(32)) };
const ALICE = { kind: 'user', id: 'a11ce', name: 'alice' };

/** What is sealed of them, and what they are once the key has opened it. */
function hidden(detail: Json): { sealed: string; opened: Json } {
  const members: Members = { v: 1, id: 'e1', actor: { ...ALICE }, resource: { type: 'pool', id: 'p1' }, detail: toJson(detail) };
  const { members: sealed } = hide(members, personsIn(members, undefined), () => KEY);
  const text = canonicalJson(sealed as Json);
  const { personal, columns, ...opened } = JSON.parse(text) as Record<string, Json>;
  expect(typeof columns).toBe('string');
  for (const { data } of personal as unknown as { data: string }[])
    putBack(opened, JSON.parse(decrypt(KEY, data, 'e1')) as Record<string, Json>);
  return { sealed: text, opened };
}

describe('what an event says of a person', () => {
  it('A12: is taken out wherever the name stands, in a list of a list too, and comes back in its place', () => {
    const detail = { by: 'alice', of: ['alice', 'bob'], rows: [['alice', 3], [['alice']], 'x'], deep: [{ owner: 'alice', kept: 1 }] };
    const { sealed, opened } = hidden(detail);
    expect(sealed).not.toContain('alice');
    expect(JSON.parse(sealed)).toMatchObject({ detail: { deep: [{ kept: 1 }] }, actor: { id: 'a11ce' } });
    expect(opened).toEqual({ v: 1, id: 'e1', actor: ALICE, resource: { type: 'pool', id: 'p1' }, detail });
  });

  it('A12: is canonical JSON whatever the detail, and nothing of it is lost', () => {
    const name = fc.oneof(fc.constant('alice'), fc.string());
    const json = fc.letrec<{ value: Json }>((tie) => ({
      value: fc.oneof(
        { maxDepth: 4 },
        name,
        fc.integer(),
        fc.array(tie('value')),
        fc.dictionary(fc.stringMatching(/^[a-z~/]{1,4}$/), tie('value')),
      ),
    })).value;
    fc.assert(
      fc.property(fc.dictionary(fc.stringMatching(/^[a-z~/]{1,4}$/), json), (detail) => {
        const { sealed, opened } = hidden(detail);
        expect(canonicalJson(JSON.parse(sealed) as Json)).toBe(sealed);
        expect(canonicalJson(opened)).toBe(
          canonicalJson({ v: 1, id: 'e1', actor: ALICE, resource: { type: 'pool', id: 'p1' }, detail: toJson(detail) }),
        );
      }),
    );
  });
});
