import { loadConfig } from '../../config/app-config.js';
import { runInContext } from '../context/request-context.js';
import { Log } from './log.js';

function logged(write: (log: Log) => void): Record<string, unknown> {
  let line = '';
  const log = new Log(loadConfig({}), { write: (text: string) => void (line += text) });
  write(log);
  return JSON.parse(line) as Record<string, unknown>;
}

describe('Log', () => {
  it('O3: carries the id of the request being served', () => {
    const line = logged((log) => {
      runInContext({ requestId: 'request-1' }, () => {
        log.info('hello', { figure: 1n });
      });
    });
    expect(line).toMatchObject({ msg: 'hello', requestId: 'request-1', figure: '1' });
  });

  it('A8: says what went wrong and why, not with which values', () => {
    const cause = Object.assign(new Error('refused for postgres://app:x7@db'), { code: '23505', parameters: ['x7'], query: 'INSERT' });
    const line = logged((log) => {
      log.error('failed', { error: new Error('token=x7 is stale', { cause }), password: 'x7' });
    });
    expect(line).toMatchObject({
      password: '[redacted]',
      error: { message: 'token=[redacted] is stale', cause: { code: '23505', stack: expect.any(String) as string } },
    });
    expect(JSON.stringify(line)).not.toContain('x7');
  });
});
