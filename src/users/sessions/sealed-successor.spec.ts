import { seal, unseal } from './sealed-successor.js';

describe('a sealed successor', () => {
  it('U9: opens with the token it was sealed under and with no other', () => {
    const sealed = seal('old-token', 'new-token');
    expect(unseal('old-token', sealed)).toBe('new-token');
    expect(() => unseal('other-token', sealed)).toThrow();
    expect(sealed.includes('new-token')).toBe(false);
  });

  it('U9: refuses one altered in any byte', () => {
    const sealed = seal('old-token', 'new-token');
    for (let i = 0; i < sealed.length; i++) {
      const altered = Buffer.from(sealed);
      altered[i]! ^= 1;
      expect(() => unseal('old-token', altered)).toThrow();
    }
  });
});
