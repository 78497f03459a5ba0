export interface Count {
  /** With this call. */
  consumed: number;
  /** Until the window ends and counting starts anew. */
  msLeft: number;
}

interface Window {
  consumed: number;
  endsAt: number;
}

const MOST = 100_000;

/** Fixed windows of this process, each from its first call on. */
export class MemoryCounters {
  private readonly windows = new Map<string, Window>();

  constructor(
    private readonly windowMs: number,
    private readonly most = MOST,
  ) {}

  /** `now` is of any monotonic clock, in milliseconds. */
  take(key: string, cost: number, now: number): Count {
    let window = this.windows.get(key);
    if (!window || window.endsAt <= now) {
      // Deleted first, so that the map stays in the order in which windows end.
      this.windows.delete(key);
      window = { consumed: 0, endsAt: now + this.windowMs };
      this.windows.set(key, window);
      this.forget(now);
    }
    window.consumed += cost;
    return { consumed: window.consumed, msLeft: window.endsAt - now };
  }

  get size(): number {
    return this.windows.size;
  }

  /** What is over goes, and the oldest when there are too many: memory is bounded whoever calls from wherever. */
  private forget(now: number): void {
    for (const [key, { endsAt }] of this.windows) {
      if (endsAt > now && this.windows.size <= this.most) return;
      this.windows.delete(key);
    }
  }
}
