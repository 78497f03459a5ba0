/** A timestamptz counts microseconds from here. */
const EPOCH_S = Date.parse('2000-01-01T00:00:00Z') / 1000;
const MICROS = 1_000_000;

/** Writes instants as RFC 3339 in UTC with six decimals. Those of events lie close together: the text of an instant and of its second are kept for the next. */
export class InstantText {
  private second = Number.NaN;
  private text = '';
  private micros = Number.NaN;
  private whole = '';

  /** Of microseconds since 2000; empty for what is not within 285 years of it, such as infinity, and for what is no number. */
  of(micros: number): string {
    if (micros === this.micros) return this.whole;
    if (!Number.isSafeInteger(micros)) return '';
    const second = Math.floor(micros / MICROS);
    if (second !== this.second) {
      this.second = second;
      this.text = new Date((second + EPOCH_S) * 1000).toISOString().slice(0, 20);
    }
    this.micros = micros;
    this.whole = `${this.text}${String(micros - second * MICROS).padStart(6, '0')}Z`;
    return this.whole;
  }
}
