/** A timestamptz counts microseconds from here. */
const EPOCH_S = Date.parse('2000-01-01T00:00:00Z') / 1000;
/** Years that RFC 3339 can write. */
const FIRST_S = Date.parse('0001-01-01T00:00:00Z') / 1000 - EPOCH_S;
const LAST_S = Date.parse('9999-12-31T23:59:59Z') / 1000 - EPOCH_S;
const MICROS = 1_000_000;

/** Writes instants as RFC 3339 in UTC with six decimals. Those of events lie close together: the text of a second is kept for the next. */
export class InstantText {
  private second = Number.NaN;
  private text = '';

  /** Of microseconds since 2000; empty for what is in no year of four digits, such as infinity, and for what is no number. */
  of(micros: number): string {
    const second = Math.floor(micros / MICROS);
    if (!(second >= FIRST_S && second <= LAST_S)) return '';
    if (second !== this.second) {
      this.second = second;
      this.text = new Date((second + EPOCH_S) * 1000).toISOString().slice(0, 20);
    }
    return `${this.text}${String(micros - second * MICROS).padStart(6, '0')}Z`;
  }
}
