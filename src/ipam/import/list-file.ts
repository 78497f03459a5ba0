import { createReadStream } from 'node:fs';
import { createInterface } from 'node:readline';

/** The lines of a text file that say something, with their numbers; # begins a comment. */
export async function* readLines(path: string): AsyncGenerator<{ line: number; text: string }> {
  const lines = createInterface({ input: createReadStream(path, 'utf8'), crlfDelay: Infinity });
  let line = 0;
  for await (const whole of lines) {
    line++;
    const text = whole
      .replace(/^\uFEFF/, '')
      .replace(/#.*/, '')
      .trim();
    if (text !== '') yield { line, text };
  }
}
