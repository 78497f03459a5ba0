import { mkdtempSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { mmdb } from './support/mmdb.js';
import { loadConfig } from '../src/config/app-config.js';
import { Clock } from '../src/kernel/clock.js';
import { Log } from '../src/platform/logging/log.js';
import { Countries } from '../src/audit/trail/countries.js';

class SetClock extends Clock {
  ms = Date.parse('2026-01-01T00:00:00Z');
  now(): Date {
    return new Date(this.ms);
  }
}

describe('the country of an address', () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'cadastre-countries-'));
  const file = path.join(folder, 'countries.mmdb');
  const clock = new SetClock();
  afterAll(() => {
    rmSync(folder, { recursive: true });
  });

  function countries(content: Buffer | string, name = file): Countries {
    writeFileSync(file, content);
    const config = loadConfig({ CADASTRE_ENV: 'test', CADASTRE_LOG_LEVEL: 'silent', CADASTRE_GEOIP_FILE: name });
    return new Countries(config, clock, new Log(config));
  }

  const WORLD = { '81.2.69.0/24': 'GB', '89.160.20.112/28': 'SE', '10.0.0.0/8': 'XX', '2a02:d500::/32': 'DE', '4.0.0.0/8': 'US' };

  it.each([
    ['81.2.69.160', 'GB'],
    ['89.160.20.112', 'SE'],
    ['89.160.20.127', 'SE'],
    ['89.160.20.128', undefined],
    ['::ffff:81.2.69.160', 'GB'],
    ['::FFFF:5102:45A0', 'GB'],
    ['2a02:d500::1', 'DE'],
    ['2A02:D500:0:0:0:0:0:1', 'DE'],
    ['2a02:d501::1', undefined],
    ['10.1.2.3', undefined],
    ['127.0.0.1', undefined],
    ['::1', undefined],
    ['unknown', undefined],
    ['', undefined],
    [undefined, undefined],
  ])('A17: of %s it is %s', (address, country) => {
    expect(countries(mmdb(WORLD)).of(address)).toBe(country);
  });

  it('A17: a file of IPv4 addresses knows nothing of IPv6 ones, whose bits would lead somewhere', () => {
    const only4 = countries(mmdb({ '32.0.0.0/8': 'US', '42.0.0.0/8': 'KR' }, 4));
    expect(only4.of('42.1.1.1')).toBe('KR');
    expect(only4.of('2a02:d500::1')).toBeUndefined();
  });

  it('A17: what is no code of a country is none', () => {
    expect(countries(mmdb({ '81.2.69.0/24': 'Britain' })).of('81.2.69.1')).toBeUndefined();
  });

  it.each([
    ['nothing', ''],
    ['something else', 'PK\u0003\u0004 and so on'.repeat(100)],
    ['a file that was cut', mmdb(WORLD).subarray(0, 900)],
    ['a file whose tree is missing', mmdb(WORLD).subarray(-400)],
  ])('A17: %s is refused at the start', (_, content) => {
    expect(() => countries(content)).toThrow('CADASTRE_GEOIP_FILE: is no MaxMind DB file');
  });

  it('A17: a file that cannot be read is refused at the start, without its name', () => {
    expect(() => countries('', path.join(folder, 'nowhere.mmdb'))).toThrow('CADASTRE_GEOIP_FILE: cannot be read (ENOENT)');
  });

  it('A17: a file that was replaced is read again within a minute, and one that is broken is not', async () => {
    const known = countries(mmdb({ '81.2.69.0/24': 'GB' }));
    const replace = (content: Buffer | string, time: number): void => {
      writeFileSync(file, content);
      utimesSync(file, time, time);
    };
    const asked = async (): Promise<string | undefined> => {
      known.of('81.2.69.1');
      await known.settled();
      return known.of('81.2.69.1');
    };
    replace(mmdb({ '81.2.69.0/24': 'IE' }), 1000);
    clock.ms += 59_000;
    expect(await asked()).toBe('GB');
    clock.ms += 1000;
    expect(await asked()).toBe('IE');
    replace('broken', 2000);
    clock.ms += 60_000;
    expect(await asked()).toBe('IE');
    replace(mmdb({ '81.2.69.0/24': 'FR' }), 3000);
    clock.ms += 60_000;
    expect(await asked()).toBe('FR');
  });
});
