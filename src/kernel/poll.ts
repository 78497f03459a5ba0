/** Asks again and again, never twice at the same time. */
export class Poll {
  private timer: NodeJS.Timeout | undefined;
  private asking: Promise<void> | undefined;
  private failing = false;

  /** `failed` is told of each failure, and whether it is the first of an outage. */
  constructor(
    private readonly ask: () => Promise<void>,
    private readonly failed: (error: unknown, first: boolean) => void,
    private readonly everyMs = 1000,
  ) {}

  start(): void {
    this.timer = setInterval(() => {
      this.asking ??= this.askOnce().finally(() => (this.asking = undefined));
    }, this.everyMs);
    this.timer.unref();
  }

  /** Nothing is under way any more when this is fulfilled. */
  async stop(): Promise<void> {
    clearInterval(this.timer);
    await this.asking;
  }

  private async askOnce(): Promise<void> {
    try {
      await this.ask();
      this.failing = false;
    } catch (error) {
      this.failed(error, !this.failing);
      this.failing = true;
    }
  }
}
