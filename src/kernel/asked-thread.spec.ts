import { AskedThread, threadScript } from './asked-thread.js';

const LIMITS = { maxOldGenerationSizeMb: 32 };
const SCRIPT = `import { parentPort } from 'node:worker_threads';
parentPort.on('message', (n) => {
  if (n < 0) throw new Error('below nothing');
  parentPort.postMessage(2 * n);
});`;

describe('a thread that is asked', () => {
  const script = new URL(`data:text/javascript,${encodeURIComponent(SCRIPT)}`);

  it('A6: answers in the order of the questions', async () => {
    const thread = new AskedThread(script, LIMITS);
    const answers = [1, 2, 3].map((n) => thread.ask<number>(n));
    expect(thread.asked).toBe(3);
    expect(await Promise.all(answers)).toEqual([2, 4, 6]);
    expect(thread.asked).toBe(0);
    await thread.end();
  });

  it('A6: says once that it has ended, and refuses what was asked before and after', async () => {
    let times = 0;
    const thread = new AskedThread(script, LIMITS, () => times++);
    const asked = [thread.ask(-1), thread.ask(1)];
    for (const question of asked) await expect(question).rejects.toThrow('below nothing');
    expect(thread.isOver).toBe(true);
    await expect(thread.ask(1)).rejects.toThrow('below nothing');
    await thread.end();
    expect(times).toBe(1);
  });

  it('A6: that is ended has not answered', async () => {
    const thread = new AskedThread(script, LIMITS);
    const asked = thread.ask(1);
    await thread.end();
    await expect(asked).rejects.toThrow('ended');
  });

  it('A6: has its script beside whoever asks, compiled also where the sources are run', () => {
    expect(threadScript('file:///a/dist/src/x/y.js', 'z.js', '../../dist/src/x').pathname).toBe('/a/dist/src/x/z.js');
    expect(threadScript('file:///a/src/x/y.ts', 'z.js', '../../dist/src/x').pathname).toBe('/a/dist/src/x/z.js');
  });
});
