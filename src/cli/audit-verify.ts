import { availableParallelism } from 'node:os';
import path from 'node:path';
import { v7 as uuidv7 } from 'uuid';
import { publicKeyIn } from '../audit/sealing/signed-note.js';
import { type Finding, verdictOf } from '../audit/verification/finding.js';
import { type VerificationOptions, type VerificationReport, Verifier } from '../audit/verification/verifier.js';
import { VerificationsService } from '../audit/verification/verifications.service.js';
import { ConfigError } from '../config/environment.js';
import { AppError } from '../kernel/app-error.js';
import { UnitOfWork } from '../platform/database/unit-of-work.js';
import { withApplication } from './application.js';
import { archiveFindings } from './archive.js';
import { CommandError, ExitError, say, UsageError } from './command.js';
import { explain } from './explain.js';

const EXIT = { sound: 0, tampered: 1, incomplete: 2 } as const;
/** Of sysexits.h: EX_USAGE, EX_SOFTWARE, EX_TEMPFAIL. None of them says anything about the log. */
const CALLED_WRONGLY = 64;
const FAILED = 70;
const UNAVAILABLE = 75;

interface Values {
  class?: string | undefined;
  from?: string | undefined;
  to?: string | undefined;
  workers: string;
  anchors?: string | undefined;
  key: string[];
  archives: boolean;
}

/** `cadastre audit verify`: the exit code is the verdict. */
export async function verify(values: Values): Promise<number> {
  const options: VerificationOptions = {
    log: values.class,
    from: dateOf(values.from),
    to: dateOf(values.to),
    workers: workersOf(values.workers),
    anchors: values.anchors === undefined ? undefined : values.anchors === 'none' ? null : path.resolve(values.anchors),
    keys: values.key.map(keyOf),
  };
  const report = await withApplication('audit verify', async (app) => {
    const verifications = app.get(VerificationsService);
    const id = uuidv7();
    const attempt = await verifications.attempt(id, { log: values.class, from: values.from, to: values.to });
    const verified = await app.get(Verifier).verify(options);
    if (values.archives) addFindings(verified, await archiveFindings(app, values.class));
    await app.get(UnitOfWork).run(() => verifications.tell(id, verified, attempt));
    return verified;
  });
  show(report);
  return EXIT[report.result];
}

/** What ends without a verdict must not be taken for one: whatever is thrown gets an exit code of its own. */
export async function withVerifyCodes(work: () => Promise<number>): Promise<number> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof ConfigError) throw error;
    throw new ExitError(codeOf(error), error);
  }
}

function codeOf(error: unknown): number {
  if (error instanceof UsageError || (error instanceof AppError && error.code === 'audit_log_not_found')) return CALLED_WRONGLY;
  return error instanceof CommandError || explain(error) !== undefined ? UNAVAILABLE : FAILED;
}

function addFindings(report: VerificationReport, more: readonly Finding[]): void {
  report.findings.push(...more);
  report.findingCount += more.length;
  if (report.result === 'sound') report.result = verdictOf(more);
}

function show({ result, logs, anchors, findings, findingCount, ms }: VerificationReport): void {
  for (const { log, size, events, checkpoints, unsealed } of logs)
    say(
      `${log.padEnd(12)} ${size} events, ${events} read, ${checkpoints} checkpoints${unsealed > 0 ? `, ${unsealed} not sealed yet` : ''}`,
    );
  const bytes = logs.reduce((sum, log) => sum + log.bytes, 0);
  say(`${anchors} anchored checkpoints; ${(bytes / 1e6).toFixed(1)} MB in ${(ms / 1000).toFixed(1)} s`);
  for (const { verdict, code, detail } of findings) say(`${verdict}  ${code}  ${detail}`);
  if (findingCount > findings.length) say(`and ${findingCount - findings.length} more`);
  say(`The audit log is ${result}.`);
}

function dateOf(text: string | undefined): Date | undefined {
  if (text === undefined) return undefined;
  const date = new Date(text);
  if (!/^\d{4}-\d\d-\d\d/.test(text) || Number.isNaN(date.getTime())) throw new UsageError(`'${text}' is no date such as 2026-01-31.`);
  return date;
}

function workersOf(text: string): number {
  const workers = Number(text);
  if (!Number.isInteger(workers) || workers < 1 || workers > 4 * availableParallelism())
    throw new UsageError(`--workers must be from 1 to ${4 * availableParallelism()}.`);
  return workers;
}

function keyOf(text: string): Buffer {
  const key = publicKeyIn(text);
  if (!key) throw new UsageError(`'${text}' is no Ed25519 public key in base64.`);
  return key;
}
