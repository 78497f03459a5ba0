import { type QueryRunner } from 'typeorm';

/** What a function of the database says, with other text in some places. Throws unless each of them is there once. */
export async function changedSource(
  q: QueryRunner,
  name: string,
  changes: readonly (readonly [from: string, to: string])[],
): Promise<string> {
  const [row] = (await q.query('SELECT pg_get_functiondef($1::regprocedure) AS source', [name])) as { source: string }[];
  let source = row?.source ?? '';
  for (const [from, to] of changes) {
    if (source.split(from).length !== 2) throw new Error(`${name} does not say once: ${from}`);
    source = source.replace(from, () => to);
  }
  return source;
}
