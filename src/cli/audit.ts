import { availableParallelism } from 'node:os';
import path from 'node:path';
import { v7 as uuidv7 } from 'uuid';
import { Sealer } from '../audit/sealing/sealer.js';
import { publicKeyIn } from '../audit/sealing/signed-note.js';
import { type Finding, verdictOf } from '../audit/verification/finding.js';
import { type VerificationOptions, type VerificationReport, Verifier } from '../audit/verification/verifier.js';
import { VerificationsService } from '../audit/verification/verifications.service.js';
import { UnitOfWork } from '../platform/database/unit-of-work.js';
import { withApplication } from './application.js';
import { archiveCommand, archiveFindings } from './archive.js';
import { rehydrateCommand } from './rehydrate.js';
import { type Command, parse, say, UsageError } from './command.js';

const EXIT = { sound: 0, tampered: 1, incomplete: 2 } as const;

export const audit: Command = {
  usage: [
    'audit verify [--class NAME] [--from DATE] [--to DATE] [--workers N] [--anchors DIR|none] [--key PUBLIC-KEY]... [--archives]',
    'audit archive --dry-run',
    'audit archive apply --plan HASH',
    'audit archive undo --class NAME --period MONTH',
    'audit rehydrate --class NAME --period MONTH [--days N]',
    'audit retention --dry-run',
    'audit retention apply --plan HASH',
    'audit adopt-key',
  ],
  summary:
    'Read the audit log again and compare it with everything ever signed about it: exit code 0 sound, 1 tampered, 2 incomplete. Archive the months that are due, remove what is past its time, put a month back, or read an archived one back for some days. Adopt a new signing key when the one before it is lost.',
  async run(args) {
    const { values, positionals } = parse(args, {
      class: { type: 'string' },
      from: { type: 'string' },
      to: { type: 'string' },
      workers: { type: 'string', default: '1' },
      anchors: { type: 'string' },
      key: { type: 'string', multiple: true, default: [] },
      archives: { type: 'boolean', default: false },
      'dry-run': { type: 'boolean', default: false },
      plan: { type: 'string' },
      period: { type: 'string' },
      days: { type: 'string' },
    });
    const [action, ...rest] = positionals;
    if ((action === 'archive' || action === 'retention') && rest.length <= 1) return archiveCommand(action, rest[0], values);
    if (rest.length > 0) throw new UsageError(`Unexpected argument '${rest[0] ?? ''}'.`);
    if (action === 'rehydrate') return rehydrateCommand({ class: values.class, period: values.period, days: values.days });
    if (action === 'adopt-key') {
      await withApplication('audit adopt-key', (app) => app.get(Sealer).adoptKey());
      say('Checkpoints are signed with the first key of this process from now on.');
      return 0;
    }
    if (action !== 'verify') throw new UsageError(action === undefined ? 'Which action?' : `There is no action '${action}'.`);
    const options: VerificationOptions = {
      log: values.class,
      from: dateOf(values.from),
      to: dateOf(values.to),
      workers: workersOf(values.workers),
      anchors: values.anchors === undefined ? undefined : values.anchors === 'none' ? null : path.resolve(values.anchors),
      keys: values.key.map(keyOf),
    };
    const report = await withApplication('audit verify', async (app) => {
      const verified = await app.get(Verifier).verify(options);
      if (values.archives) addFindings(verified, await archiveFindings(app, values.class));
      await app.get(UnitOfWork).run(() => app.get(VerificationsService).tell(uuidv7(), verified));
      return verified;
    });
    show(report);
    return EXIT[report.result];
  },
};

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
