/** Between words, as in audit_words(). */
const BETWEEN = /["{}[\](),;<>='!?|\\ \t\n\r]+/;
const MARKS = '[-.:/@_+*&%$#]+';
const EDGES = new RegExp(`^${MARKS}|${MARKS}$`, 'g');
const WITHIN = new RegExp(MARKS);
const MOST_WORDS = 10;
/** What words begin with that are looked for by the program alone. */
export const UNTYPED = '\u0001';

/** A tsquery that asks for every word of the text, in any order; a word that ends in `*` stands for all that begin so. Undefined without words. */
export function textQuery(text: string): string | undefined {
  const words = wordsAsked(text);
  return words.length === 0 ? undefined : words.map(({ word, prefix }) => lexeme(word) + (prefix ? ':*' : '')).join(' & ');
}

/** The words of a question; one that ended in `*` stands for all that begin so. */
export function wordsAsked(text: string): { word: string; prefix: boolean }[] {
  return text
    .toLowerCase()
    .split(BETWEEN)
    .map((word) => ({ word: word.replaceAll(EDGES, '').slice(0, 200), prefix: word.endsWith('*') }))
    .filter(({ word }) => word !== '')
    .slice(0, MOST_WORDS);
}

/** The words that audit_words() finds in a text: each as a whole, and its parts. */
export function wordsOf(text: string): Set<string> {
  const words = new Set<string>();
  for (const token of text.toLowerCase().split(BETWEEN)) {
    const word = token.slice(0, 200);
    words.add(word.replaceAll(EDGES, ''));
    for (const part of word.split(WITHIN)) words.add(part);
  }
  words.delete('');
  return words;
}

/** A tsquery for the actor's name as it was, capitals aside. */
export function nameQuery(name: string): string {
  return lexeme(`${UNTYPED}actor:${name.toLowerCase().slice(0, 190)}`);
}

function lexeme(word: string): string {
  return `'${word.replaceAll('\\', '\\\\').replaceAll("'", "''")}'`;
}
