import { type Json } from '../../kernel/canonical-json.js';
import { type Verdict } from './finding.js';

export const verificationStates = ['waiting', 'running', 'done', 'failed'] as const;

/** A verification that was asked for, and what came of it. */
export interface Verification {
  id: string;
  state: (typeof verificationStates)[number];
  requestedBy: string;
  options: StoredOptions;
  result: Verdict | null;
  /** Why it has no result. */
  reason: string | null;
  report: Json;
  createdAt: Date;
  finishedAt: Date | null;
}

export interface StoredOptions {
  log?: string;
  from?: string;
  to?: string;
}
