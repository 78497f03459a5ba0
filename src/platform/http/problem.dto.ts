/** One thing that was refused. */
export class FieldProblem {
  /** RFC 6901 pointer into the body, or `?name` for a query parameter. */
  pointer!: string;
  /** Stable name of the rule it breaks. */
  code!: string;
  /** For a person. */
  detail!: string;
}

/** A problem document of RFC 9457. Some codes add members, such as the id of the row that won a conflict. */
export class Problem {
  /** @example '/problems/pool_overlaps' */
  type!: string;
  /** What the status means. */
  title!: string;
  status!: number;
  /**
   * Stable name of what is wrong.
   * @example 'pool_overlaps'
   */
  code!: string;
  /** For a person; may be worded differently tomorrow. */
  detail!: string;
  /** What to name in a report: the log and the audit trail have it too. */
  requestId!: string;
  errors?: FieldProblem[];
  [member: string]: unknown;
}
