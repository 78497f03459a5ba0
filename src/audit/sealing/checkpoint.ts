/** What a checkpoint says of one log (C2SP tlog-checkpoint), with three extension lines. */
export interface Checkpoint {
  origin: string;
  size: number;
  root: Buffer;
  /** Counted from 0 without a gap for each log, so that a missing checkpoint is seen. */
  number: number;
  /** Counts the database clusters the log has lived in. */
  epoch: number;
  /** RFC 3339 in UTC with six decimals, from the database's clock; all events below `size` were sealed by then. */
  time: string;
}

export function originOf(installation: string, className: string): string {
  return `cadastre/${installation}/${className}`;
}

export function checkpointText({ origin, size, root, number, epoch, time }: Checkpoint): string {
  return `${origin}\n${size}\n${root.toString('base64')}\nnumber ${number}\nepoch ${epoch}\ntime ${time}\n`;
}

const FORM =
  /^(cadastre\/[^\n/]+\/[^\n/]+)\n(0|[1-9]\d{0,15})\n([A-Za-z0-9+/]{43}=)\nnumber (\d{1,15})\nepoch (\d{1,9})\ntime (\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z)\n$/;

/** Undefined when the text is no checkpoint of ours. */
export function parseCheckpoint(text: string): Checkpoint | undefined {
  const [, origin, size, root, number, epoch, time] = FORM.exec(text) ?? [];
  if (origin === undefined || root === undefined || time === undefined) return undefined;
  return { origin, size: Number(size), root: Buffer.from(root, 'base64'), number: Number(number), epoch: Number(epoch), time };
}
