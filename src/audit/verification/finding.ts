export const verdicts = ['sound', 'incomplete', 'tampered'] as const;
export type Verdict = (typeof verdicts)[number];

/** What a verification found wrong with one record. */
export interface Finding {
  verdict: Exclude<Verdict, 'sound'>;
  /** The name of the class. */
  log: string;
  /** The first event it concerns; absent when it concerns none. */
  seq?: number;
  id?: string;
  /** One of `findingCodes`. */
  code: string;
  detail: string;
}

/** What can be found, with its verdict: `incomplete` where honest operation may have caused it, `tampered` where only a change can. */
const findingCodes = {
  payload_altered: 'tampered',
  writer_unknown: 'tampered',
  column_altered: 'tampered',
  key_destroyed: 'tampered',
  key_missing: 'tampered',
  order_altered: 'tampered',
  event_altered: 'tampered',
  event_missing: 'tampered',
  event_inserted: 'tampered',
  event_backdated: 'tampered',
  period_missing: 'incomplete',
  period_altered: 'tampered',
  tile_altered: 'tampered',
  checkpoint_altered: 'tampered',
  checkpoint_missing: 'tampered',
  root_differs: 'tampered',
  key_unknown: 'tampered',
  forked: 'tampered',
  anchor_altered: 'tampered',
  anchor_newer: 'incomplete',
  lost_in_restoration: 'incomplete',
  not_sealed: 'incomplete',
  archive_broken: 'incomplete',
} as const satisfies Record<string, Finding['verdict']>;

export type FindingCode = keyof typeof findingCodes;

export function found(code: FindingCode, log: string, detail: string, where: { seq?: number; id?: string } = {}): Finding {
  return { verdict: findingCodes[code], log, ...where, code, detail };
}

/** The gravest of them. */
export function verdictOf(findings: readonly Finding[]): Verdict {
  if (findings.some(({ verdict }) => verdict === 'tampered')) return 'tampered';
  return findings.length > 0 ? 'incomplete' : 'sound';
}
