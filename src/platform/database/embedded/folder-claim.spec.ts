import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { claimFolder, isRunning, parseOwner } from './folder-claim.js';
import { startTime } from './processes.js';

describe('the claim on a folder', () => {
  let directory: string;
  beforeEach(() => (directory = mkdtempSync(join(tmpdir(), 'cadastre-claim-'))));
  afterEach(() => {
    rmSync(directory, { recursive: true });
  });

  it('is refused with the pid of the holder, until it is released', () => {
    const claim = claimFolder(directory);
    expect(claim.previous).toBe('none');
    expect(() => claimFolder(directory)).toThrow(`already running (pid ${process.pid})`);
    claim.release();
    claimFolder(directory).release();
    expect(readdirSync(directory)).toEqual([]);
  });

  it('is taken over from a dead holder, and from an unreadable claim', () => {
    for (const text of ['999999999\n1\n', '']) {
      writeFileSync(join(directory, 'owner.pid'), text);
      const claim = claimFolder(directory);
      expect(claim.previous).toBe('dead');
      expect(readdirSync(directory)).toEqual(['owner.pid']);
      claim.release();
    }
  });

  it('does not release what another has taken since', () => {
    const claim = claimFolder(directory);
    writeFileSync(join(directory, 'owner.pid'), 'another');
    claim.release();
    expect(readdirSync(directory)).toEqual(['owner.pid']);
  });
});

describe('the recorded owner', () => {
  it('runs while its pid lives and began when it says', () => {
    expect(isRunning({ pid: process.pid, started: startTime(process.pid) ?? '' })).toBe(true);
    expect(isRunning({ pid: process.pid, started: '' })).toBe(true);
    expect(isRunning({ pid: 999_999_999, started: '' })).toBe(false);
  });

  it('is dead when its number was given to a later process', () => {
    const known = startTime(process.pid) !== undefined;
    expect(isRunning({ pid: process.pid, started: '1' })).toBe(!known);
  });

  it('is read back as written', () => {
    expect(parseOwner('12\n345\nx\n')).toEqual({ pid: 12, started: '345' });
    expect(parseOwner('12\n')).toEqual({ pid: 12, started: '' });
    expect(parseOwner('')).toBeUndefined();
  });
});
