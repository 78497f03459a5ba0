import { Sealer } from '../audit/sealing/sealer.js';
import { withApplication } from './application.js';
import { archiveCommand } from './archive.js';
import { verify, withVerifyCodes } from './audit-verify.js';
import { rehydrateCommand } from './rehydrate.js';
import { type Command, parse, say, UsageError } from './command.js';

export const audit: Command = {
  usage: [
    'audit verify [--class NAME] [--from DATE] [--to DATE] [--workers N] [--anchors DIR|none] [--key PUBLIC-KEY]... [--archives]',
    'audit archive --dry-run',
    'audit archive apply --plan HASH',
    'audit archive undo --class NAME --period MONTH',
    'audit rehydrate --class NAME --period MONTH [--days N]',
    'audit rehydrate --actor ID [--days N]',
    'audit retention --dry-run',
    'audit retention apply --plan HASH',
    'audit adopt-key',
  ],
  summary:
    'Read the audit log again and compare it with everything ever signed about it: exit code 0 sound, 1 tampered, 2 incomplete, 64 called wrongly, 70 or 75 could not be verified. Archive the months that are due, remove what is past its time, put a month back, or read archived ones back for some days. Adopt a new signing key when the one before it is lost.',
  run(args) {
    return args.includes('verify') ? withVerifyCodes(() => perform(args)) : perform(args);
  },
};

async function perform(args: string[]): Promise<number> {
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
    actor: { type: 'string' },
    days: { type: 'string' },
  });
  const [action, ...rest] = positionals;
  if ((action === 'archive' || action === 'retention') && rest.length <= 1) return archiveCommand(action, rest[0], values);
  if (rest.length > 0) throw new UsageError(`Unexpected argument '${rest[0] ?? ''}'.`);
  if (action === 'rehydrate') return rehydrateCommand(values);
  if (action === 'adopt-key') {
    await withApplication('audit adopt-key', (app) => app.get(Sealer).adoptKey());
    say('Checkpoints are signed with the first key of this process from now on.');
    return 0;
  }
  if (action !== 'verify') throw new UsageError(action === undefined ? 'Which action?' : `There is no action '${action}'.`);
  return verify(values);
}
