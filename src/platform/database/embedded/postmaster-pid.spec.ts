import { parsePostmasterPid, verdicts } from './postmaster-pid.js';

const running = '4711\n/var/postgres/data\n1763640000\n40123\n\n127.0.0.1\n  5432001         7\nready   \n';

describe('postmaster.pid', () => {
  it('tells the pid, the port and whether connections are taken', () => {
    expect(parsePostmasterPid(running)).toEqual({ pid: 4711, port: 40123, ready: true });
    expect(parsePostmasterPid(running.replace('ready   ', 'starting'))).toMatchObject({ ready: false });
  });

  it('is not ready while only its first lines are written', () => {
    expect(parsePostmasterPid('4711\n/var/postgres/data\n')).toEqual({ pid: 4711, port: 0, ready: false });
  });

  it.each(['', '\n', 'postmaster', '-1\n', '0\n'])('is unusable when it reads %j', (text) => {
    expect(parsePostmasterPid(text)).toBeUndefined();
  });
});

describe('what to do about an earlier server', () => {
  it('never stops a server unless the process that owned it is known to be dead', () => {
    const stopping = Object.entries(verdicts).flatMap(([server, byOwner]) =>
      Object.entries(byOwner).flatMap(([owner, verdict]) => (verdict === 'stop-orphan' ? [`${server}, owner ${owner}`] : [])),
    );
    expect(stopping).toEqual(['ours, owner dead']);
    expect(verdicts.ours.none).toBe('refuse');
  });

  it('removes a pid file only when a stranger answers to its number: PostgreSQL checks the rest better than we can', () => {
    expect(verdicts.foreign).toEqual({ none: 'remove-pid-file', dead: 'remove-pid-file' });
    expect(verdicts.dead).toEqual({ none: 'start', dead: 'start' });
  });
});
