/** What a spreadsheet would run as a formula (OWASP, CSV injection), and any number of our own guards before it. */
const RISKY = /^'*[=+\-@\t\r]/;
const GUARDED = /^'+[=+\-@\t\r]/;
const NUMERIC = /^[+-]?\d+(\.\d+)?([eE][+-]?\d+)?$/;

/** The text with a guard before it when a spreadsheet would take it for a formula; numbers stay numbers. */
export function guardCell(text: string): string {
  return RISKY.test(text) && !isNumber(text) ? `'${text}` : text;
}

/** Undoes guardCell, and changes nothing else: unguardCell(guardCell(x)) = x for every x. */
export function unguardCell(cell: string): string {
  return GUARDED.test(cell) && !isNumber(cell) ? cell.slice(1) : cell;
}

function isNumber(text: string): boolean {
  return NUMERIC.test(text.replace(/^'+/, ''));
}

/** One record by RFC 4180, line end included. Null is an empty cell. */
export function csvLine(cells: readonly (string | null)[]): string {
  return `${cells.map((cell) => quoteCell(guardCell(cell ?? ''))).join(',')}\r\n`;
}

/** Several texts in one cell, as a record of their own. */
export function listCell(texts: readonly string[]): string {
  return texts.map(quoteCell).join(',');
}

/** The texts of listCell; spaces around them do not count unless they are quoted. */
export function readListCell(cell: string): string[] {
  const texts: string[] = [];
  for (const match of cell.matchAll(/\s*(?:"((?:[^"]|"")*)"\s*|([^,]*))(?:,|$)/g)) {
    const text = match[1]?.replaceAll('""', '"') ?? match[2]?.trim() ?? '';
    if (text !== '') texts.push(text);
  }
  return texts;
}

function quoteCell(text: string): string {
  return /[",\r\n]|^\s|\s$/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
