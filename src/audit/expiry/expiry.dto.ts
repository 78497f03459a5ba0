export class ExpiryView {
  /** @example 'sessions' */
  name!: string;
  text!: string;
  /** The key of the setting that says how long. */
  setting!: string;
  days!: number;
  /** What ended before this instant is past its days. */
  before!: string;
  /** Rows that the next run removes. */
  due!: number;
  /** Rows that are past their days and stay because of a legal hold. */
  held!: number;
}

export class ExpiriesView {
  items!: ExpiryView[];
}
