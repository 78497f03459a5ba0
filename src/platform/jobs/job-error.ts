import { redactText } from '../logging/redaction.js';

const LONGEST = 500;

/** Another worker has the job by now: whatever was done here must roll back, and nothing may be said about the job. */
export class LeaseLostError extends Error {
  constructor(name: string, id: string) {
    super(`The lease of job ${name} ${id} was lost.`);
    this.name = 'LeaseLostError';
  }
}

/** What may be stored and shown of a failure: the first line of its message, without what looks like a secret. */
export function errorSummary(error: unknown): string {
  const [line = ''] = (error instanceof Error ? error.message : String(error)).split('\n');
  return redactText(line.replaceAll('\0', '').toWellFormed()).slice(0, LONGEST);
}
