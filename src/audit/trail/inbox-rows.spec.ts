import { randomBytes } from 'node:crypto';
import { type Leaf, packed, unpacked } from './inbox-rows.js';

const aLeaf = (beside: Partial<Leaf>): Leaf => ({
  id: 'an id',
  class: 2,
  payload: '{"action":"user.read"}',
  leaf: randomBytes(32),
  mac: randomBytes(32),
  clientIp: null,
  names: null,
  salt: null,
  ...beside,
});

describe('events side by side', () => {
  it('A6: come apart as they were put together', () => {
    const leaves = [
      aLeaf({}),
      aLeaf({ class: 0, payload: '{"name":"Zürich 🗺"}', clientIp: '2001:db8::1', names: '{"actor":"Zoë"}', salt: randomBytes(16) }),
      aLeaf({ id: 'another id', names: '' }),
    ];
    expect(unpacked(packed(leaves))).toEqual(leaves);
    expect(unpacked(structuredClone(packed(leaves)))).toEqual(leaves);
    expect(unpacked(packed([]))).toEqual([]);
  });
});
