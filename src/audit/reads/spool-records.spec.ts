import { randomBytes } from 'node:crypto';
import { v7 as uuidv7 } from 'uuid';
import { type Leaf } from '../trail/inbox-rows.js';
import { decodeRecords, encodeRecord } from './spool-records.js';

const aLeaf = (beside: Partial<Leaf> = {}): Leaf => ({
  id: uuidv7(),
  class: 2,
  payload: '{"action":"user.read"}',
  leaf: randomBytes(32),
  mac: randomBytes(32),
  clientIp: null,
  names: null,
  salt: null,
  ...beside,
});

describe('records of the spool', () => {
  const leaves = [aLeaf(), aLeaf({ clientIp: '2001:db8::1', names: '{"actor":"ann"}', salt: randomBytes(16) }), aLeaf()];
  const records = leaves.map(encodeRecord);
  const whole = Buffer.concat(records);
  const lastAt = (records[0]?.length ?? 0) + (records[1]?.length ?? 0);

  it('A20: come back as they were written, in order', () => {
    expect(decodeRecords(whole)).toEqual({ leaves, damaged: 0, torn: false });
    expect(decodeRecords(Buffer.alloc(0))).toEqual({ leaves: [], damaged: 0, torn: false });
  });

  it('A20: a last record cut off anywhere is torn, and costs none before it', () => {
    for (let end = lastAt + 1; end < whole.length; end++)
      expect(decodeRecords(whole.subarray(0, end))).toEqual({ leaves: leaves.slice(0, 2), damaged: 0, torn: true });
  });

  it('A20: a record altered in its body or its digest is damaged, and costs no other', () => {
    for (const at of [4, 11, 12, 40, (records[0]?.length ?? 0) - 1]) {
      const altered = Buffer.from(whole);
      altered[at] = (altered[at] ?? 0) ^ 1;
      expect(decodeRecords(altered)).toEqual({ leaves: leaves.slice(1), damaged: 1, torn: false });
    }
  });

  it.each([
    ['an id that is none', { id: 'x' }],
    ['a hash of another length', { leaf: randomBytes(31) }],
    ['a payload that the inbox refuses', { payload: 'x'.repeat(61_441) }],
  ])('A20: %s is damaged: it would hold up what lies behind it', (_what, wrong) => {
    expect(decodeRecords(encodeRecord({ ...aLeaf(), ...wrong }))).toEqual({ leaves: [], damaged: 1, torn: false });
  });
});
