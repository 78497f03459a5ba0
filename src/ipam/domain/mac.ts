/** A 48-bit MAC in any of the usual notations, as `aa:bb:cc:dd:ee:ff`; undefined when the text is none. */
export function parseMac(text: string): string | undefined {
  const form =
    /^[0-9a-f]{2}(?<s>[:-])([0-9a-f]{2}\k<s>){4}[0-9a-f]{2}$/i.test(text) ||
    /^[0-9a-f]{4}(?<s>[.:-])[0-9a-f]{4}\k<s>[0-9a-f]{4}$/i.test(text) ||
    /^[0-9a-f]{6}[:-]?[0-9a-f]{6}$/i.test(text);
  if (!form) return undefined;
  return text
    .toLowerCase()
    .replaceAll(/[.:-]/g, '')
    .replaceAll(/(..)(?!$)/g, '$1:');
}
