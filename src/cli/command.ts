import { parseArgs, type ParseArgsConfig } from 'node:util';

/** One word after `cadastre`. */
export interface Command {
  /** How it is called, without the program's name; one line a form. */
  usage: readonly string[];
  summary: string;
  /** Returns the exit code: 0 done, 1 failed. Throws UsageError when called wrongly. */
  run(args: string[]): Promise<number>;
}

/** Called wrongly: exit code 2, with the usage. */
export class UsageError extends Error {}

/** A failure the reader can mend: shown without a stack. */
export class CommandError extends Error {}

/** A failure of a command whose exit codes say more than that it failed. */
export class ExitError extends Error {
  constructor(
    readonly code: number,
    override readonly cause: unknown,
  ) {
    super(`It ended with exit code ${code}.`);
  }
}

type Options = NonNullable<ParseArgsConfig['options']>;
type Parsed<O extends Options> = ReturnType<typeof parseArgs<{ options: O; allowPositionals: true; strict: true; args: string[] }>>;

/** The options and words of a command; an option it does not have is refused by name. */
export function parse<O extends Options>(args: string[], options: O): Parsed<O> {
  try {
    return parseArgs({ args, options, allowPositionals: true, strict: true });
  } catch (error) {
    if (error instanceof TypeError) throw new UsageError(error.message.replace(/\. To specify a positional.*$/s, '.'));
    throw error;
  }
}

/** For a command that takes neither. */
export function parseNothing(args: string[]): void {
  const [word] = parse(args, {}).positionals;
  if (word !== undefined) throw new UsageError(`Unexpected argument '${word}'.`);
}

/** One line for whoever runs the command. */
export function say(line = ''): void {
  process.stdout.write(`${line}\n`);
}
