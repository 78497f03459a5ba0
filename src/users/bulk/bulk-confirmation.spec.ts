import { randomBytes } from 'node:crypto';
import { loadConfig } from '../../config/app-config.js';
import { Clock } from '../../kernel/clock.js';
import { KeyStore } from '../../platform/crypto/key-store.js';
import { SecretBox } from '../../platform/crypto/secret-box.js';
import { BulkConfirmation } from './bulk-confirmation.js';

class HandClock extends Clock {
  private ms = Date.UTC(2026, 0, 1);

  now(): Date {
    return new Date(this.ms);
  }

  advance(seconds: number): void {
    this.ms += seconds * 1000;
  }
}

const key = (): string => randomBytes(32).toString('base64url');

function confirmations(): { clock: HandClock; confirmation: BulkConfirmation } {
  const clock = new HandClock();
  const config = loadConfig({
    CADASTRE_JWT_KEYS: `a:${key()}`,
    CADASTRE_SECRET_KEYS: `a:${key()}`,
    CADASTRE_PEPPER_KEYS: `a:${key()}`,
    CADASTRE_AUDIT_KEY: key(),
  });
  return { clock, confirmation: new BulkConfirmation(new SecretBox(new KeyStore(config)), clock) };
}

describe('the token that confirms a bulk deletion', () => {
  it('U16: is for one caller, one operation and exactly those accounts, in whatever order', () => {
    const { confirmation } = confirmations();
    const token = confirmation.tokenFor('me', 'delete', ['b', 'a']);
    expect(confirmation.confirms(token, 'me', 'delete', ['a', 'b'])).toBe(true);
    expect(confirmation.confirms(token, 'you', 'delete', ['a', 'b'])).toBe(false);
    expect(confirmation.confirms(token, 'me', 'deactivate', ['a', 'b'])).toBe(false);
    expect(confirmation.confirms(token, 'me', 'delete', ['a', 'b', 'c'])).toBe(false);
    expect(confirmation.confirms(token, 'me', 'delete', ['a'])).toBe(false);
  });

  it('U16: is good for ten minutes', () => {
    const { clock, confirmation } = confirmations();
    const token = confirmation.tokenFor('me', 'delete', ['a']);
    clock.advance(599);
    expect(confirmation.confirms(token, 'me', 'delete', ['a'])).toBe(true);
    clock.advance(1);
    expect(confirmation.confirms(token, 'me', 'delete', ['a'])).toBe(false);
  });

  it('U16: is of this installation: what others sealed, and what was changed, is refused', () => {
    const { confirmation } = confirmations();
    const foreign = confirmations().confirmation.tokenFor('me', 'delete', ['a']);
    const token = confirmation.tokenFor('me', 'delete', ['a']);
    for (const bad of ['', 'x', foreign, token.slice(1), `${token}AAAA`])
      expect(confirmation.confirms(bad, 'me', 'delete', ['a'])).toBe(false);
  });
});
