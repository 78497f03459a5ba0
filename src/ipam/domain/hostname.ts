const LABEL = '[a-z0-9_]([a-z0-9-]{0,61}[a-z0-9])?';
const HOSTNAME = new RegExp(`^${LABEL}(\\.${LABEL})*$`);

/** A host name by RFC 1123 §2.1 in lower case, without the final dot; undefined when the text is none. */
export function parseHostname(text: string): string | undefined {
  const name = text.toLowerCase().replace(/\.$/, '');
  return name.length <= 253 && HOSTNAME.test(name) ? name : undefined;
}
