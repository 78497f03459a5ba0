import { randomBytes } from 'node:crypto';
import { loadConfig } from './app-config.js';
import { variableDocs } from './environment.js';

const key = (): string => randomBytes(32).toString('base64url');

describe('configuration', () => {
  it('O7: has a default for everything, so that a bare start works', () => {
    const config = loadConfig({});
    expect(config.http).toMatchObject({ host: '127.0.0.1', port: 8400 });
    expect(config.database.url).toBeUndefined();
  });

  it('O7: names the variable and the rule, never the value', () => {
    const attempt = (): unknown => loadConfig({ CADASTRE_PORT: '70000', DATABASE_URL: 'mysql://u:hunter2@h/d', CADASTRE_COLOUR: 'red' });
    expect(attempt).toThrow(/CADASTRE_PORT: .*65535/);
    expect(attempt).toThrow(/CADASTRE_COLOUR: there is no such variable/);
    expect(attempt).not.toThrow(/hunter2/);
    expect(attempt).not.toThrow(/70000/);
  });

  it.each([
    ['short keys everywhere', { CADASTRE_JWT_KEYS: 'k1:c2hvcnQ' }, 'shorter than 32 bytes'],
    [
      'constant keys in production',
      { CADASTRE_ENV: 'production', CADASTRE_AUDIT_KEY: Buffer.alloc(32, 7).toString('base64url') },
      'not random',
    ],
    [
      'default passwords in production',
      { CADASTRE_ENV: 'production', DATABASE_URL: 'postgres://app:changeme@db/cadastre' },
      'password is weak',
    ],
    ['a proxy that is no network', { CADASTRE_TRUSTED_PROXIES: '10.0.0.0/8,true' }, 'must be addresses or CIDRs'],
  ])('O7: refuses %s', (_what, variables, message) => {
    expect(() => loadConfig(variables)).toThrow(message);
  });

  it('O7: takes strong ones', () => {
    const config = loadConfig({ CADASTRE_ENV: 'production', CADASTRE_JWT_KEYS: `a:${key()},b:${key()}`, CADASTRE_AUDIT_KEY: key() });
    expect(config.env).toBe('production');
  });

  it('O7, ASVS 13.4.5: describes the interface to everybody, but in production only when told to', () => {
    const shown = (variables: Record<string, string>): boolean => loadConfig(variables).http.docs;
    expect([shown({}), shown({ CADASTRE_ENV: 'production' }), shown({ CADASTRE_DOCS: 'false' })]).toEqual([true, false, false]);
    expect(shown({ CADASTRE_ENV: 'production', CADASTRE_DOCS: 'true' })).toBe(true);
  });

  it('documents every variable', () => {
    expect(variableDocs().every((doc) => doc.text !== '' && doc.defaultText !== '')).toBe(true);
  });
});
