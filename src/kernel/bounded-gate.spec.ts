import { BoundedGate } from './bounded-gate.js';

/** Work that lasts until it is told to end. */
class Task {
  started = false;
  end: () => void = () => undefined;
  private readonly ended = new Promise<void>((resolve) => (this.end = resolve));

  readonly run = (): Promise<void> => {
    this.started = true;
    return this.ended;
  };
}

describe('the gate before expensive work', () => {
  const busy = (): Error => new Error('busy');

  it('U7: runs so many at once, lets so many wait, and refuses the rest at once', async () => {
    const gate = new BoundedGate(2, 1, busy);
    const [a, b, c, d] = [new Task(), new Task(), new Task(), new Task()];
    const running = [a, b, c].map((task) => gate.run(task.run));
    expect([a, b, c].map((task) => task.started)).toEqual([true, true, false]);
    await expect(gate.run(d.run)).rejects.toThrow('busy');
    a.end();
    await running[0];
    expect([c.started, d.started]).toEqual([true, false]);
    b.end();
    c.end();
    await Promise.all(running);
  });

  it('gives the place of a task that failed to the next one', async () => {
    const gate = new BoundedGate(1, 5, busy);
    const failed = gate.run(() => Promise.reject(new Error('broken')));
    const after = gate.run(() => Promise.resolve('fine'));
    await expect(failed).rejects.toThrow('broken');
    await expect(after).resolves.toBe('fine');
    await expect(gate.run(() => Promise.resolve('again'))).resolves.toBe('again');
  });
});
