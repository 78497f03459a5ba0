import { type Finding, type FindingCode, found } from './finding.js';

const KEPT = 100;

/** The first findings about the events of one log, in the order of the events. */
export class Findings {
  constructor(
    private readonly log: string,
    readonly list: Finding[] = [],
  ) {}

  say(code: FindingCode, where: { seq: number; id: string }, what: string): void {
    const { list } = this;
    const finding = found(code, this.log, `Event ${where.seq} of ${this.log}: ${what}.`, where);
    const behind = list.findLastIndex(({ seq = 0 }) => seq <= where.seq) + 1;
    list.splice(behind, 0, finding);
    if (list.length > KEPT) list.pop();
  }
}
