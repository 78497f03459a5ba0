import { redact, redactText } from './redaction.js';

describe('redaction', () => {
  it('A8: replaces members of secret names at any depth, however they are written', () => {
    expect(redact({ user: 'ada', Password: 'x', list: [{ 'api-key': { inner: 'x' }, refresh_token: null }] })).toEqual({
      user: 'ada',
      Password: '[redacted]',
      list: [{ 'api-key': '[redacted]', refresh_token: null }],
    });
  });

  it.each([
    ['connect postgres://app:x7@db/cadastre failed', 'connect postgres://app:[redacted]@db/cadastre failed'],
    ['password=x7 is wrong', 'password=[redacted] is wrong'],
    ['{"api_key":"x7","name":"ada"}', '{"api_key":"[redacted]","name":"ada"}'],
    ['Authorization: Bearer x7.x7', 'Authorization: [redacted]'],
    ['there is no pool 10.0.0.0/8: it was deleted', 'there is no pool 10.0.0.0/8: it was deleted'],
  ])('A8: %s', (text, shown) => {
    expect(redactText(text)).toBe(shown);
  });
});
