interface Entry<T> {
  answer: Promise<T | undefined>;
  known: T | undefined;
  /** By the monotonic clock; unknown while the answer is under way. */
  until: number | undefined;
}

const FRESH_MS = 1000;
const MOST = 10_000;

/**
 * Answers of the database, kept for a second at most: a change made by this process is seen by its next request, one made by another within
 * the second. Callers that ask at the same time share one question.
 */
export class BriefMemory<T> {
  private readonly entries = new Map<string, Entry<T>>();

  recall(key: string, ask: () => Promise<T | undefined>): Promise<T | undefined> {
    const known = this.entries.get(key);
    if (known && (known.until === undefined || performance.now() < known.until)) return known.answer;
    return this.look(key, ask);
  }

  /** Also forgets answers under way: they may turn out to be such. */
  forgetWhere(is: (answer: T) => boolean): void {
    for (const [key, { until, known }] of this.entries)
      if (until === undefined || (known !== undefined && is(known))) this.entries.delete(key);
  }

  clear(): void {
    this.entries.clear();
  }

  private look(key: string, ask: () => Promise<T | undefined>): Promise<T | undefined> {
    const until = performance.now() + FRESH_MS;
    const entry: Entry<T> = { answer: ask(), known: undefined, until: undefined };
    // The answer is as old as the question. An entry forgotten meanwhile is no longer in the map, so a stale answer is not kept.
    entry.answer.then(
      (answer) => {
        entry.until = until;
        entry.known = answer;
      },
      () => (entry.until = 0),
    );
    const [oldest] = this.entries.keys();
    if (oldest !== undefined && this.entries.size >= MOST) this.entries.delete(oldest);
    this.entries.delete(key);
    this.entries.set(key, entry);
    return entry.answer;
  }
}
