import { type DataSource } from 'typeorm';

/**
 * Everything the migrations make, one line each, from the catalogue: what pg_dump would print, without needing its program.
 * What belongs to an extension is left to the extension's own line.
 */
const SCHEMA = `
  WITH ours AS (
    SELECT c.* FROM pg_class c
     WHERE c.relnamespace = 'public'::regnamespace
       AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
  )
  SELECT 'extension ' || extname || ' ' || extversion AS line FROM pg_extension
  UNION ALL
  SELECT 'relation ' || c.relname || ' ' || c.relkind::text || ' ' || c.relpersistence::text || ' options ' || coalesce(c.reloptions::text, '') || ' partition '
         || coalesce(pg_get_expr(c.relpartbound, c.oid), '') || ' ' || coalesce(pg_get_partkeydef(c.oid), '')
    FROM ours c WHERE c.relkind NOT IN ('i', 'I')
  UNION ALL
  SELECT 'column ' || c.relname || '.' || a.attnum || ' ' || a.attname || ' ' || format_type(a.atttypid, a.atttypmod)
         || CASE WHEN a.attnotnull THEN ' not null' ELSE '' END || ' ' || a.attidentity::text || a.attgenerated::text || ' ' || coalesce(pg_get_expr(d.adbin, d.adrelid), '')
    FROM ours c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
    LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
   WHERE c.relkind NOT IN ('i', 'I', 'S')
  UNION ALL
  SELECT 'constraint ' || c.relname || '.' || k.conname || ' ' || pg_get_constraintdef(k.oid) FROM pg_constraint k JOIN ours c ON c.oid = k.conrelid
  UNION ALL
  SELECT 'index ' || pg_get_indexdef(i.indexrelid) FROM pg_index i JOIN ours c ON c.oid = i.indrelid
  UNION ALL
  SELECT 'trigger ' || pg_get_triggerdef(t.oid) || ' ' || t.tgenabled::text FROM pg_trigger t JOIN ours c ON c.oid = t.tgrelid WHERE NOT t.tgisinternal
  UNION ALL
  SELECT 'view ' || c.relname || ' ' || pg_get_viewdef(c.oid) FROM ours c WHERE c.relkind IN ('v', 'm')
  UNION ALL
  SELECT 'function ' || pg_get_functiondef(p.oid) FROM pg_proc p
   WHERE p.pronamespace = 'public'::regnamespace AND p.prokind IN ('f', 'p')
     AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e')
  UNION ALL
  SELECT 'type ' || t.typname || ' ' || t.typtype::text FROM pg_type t
   WHERE t.typnamespace = 'public'::regnamespace AND t.typtype IN ('e', 'd', 'r')
     AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_type'::regclass AND d.objid = t.oid AND d.deptype = 'e')
  UNION ALL
  SELECT 'policy ' || tablename || '.' || policyname || ' ' || cmd || ' ' || coalesce(qual, '') || ' ' || coalesce(with_check, '') FROM pg_policies WHERE schemaname = 'public'
  UNION ALL
  SELECT 'privilege on ' || c.relname || ': ' || g.acl::text FROM ours c CROSS JOIN LATERAL unnest(c.relacl) AS g (acl)
  UNION ALL
  SELECT 'privilege on ' || p.oid::regprocedure::text || ': ' || g.acl::text FROM pg_proc p CROSS JOIN LATERAL unnest(p.proacl) AS g (acl) WHERE p.pronamespace = 'public'::regnamespace
  UNION ALL
  SELECT 'privilege on the schema: ' || g.acl::text FROM pg_namespace n CROSS JOIN LATERAL unnest(n.nspacl) AS g (acl) WHERE n.nspname = 'public'
  UNION ALL
  SELECT 'default privilege on ' || d.defaclobjtype::text || ': ' || g.acl::text FROM pg_default_acl d CROSS JOIN LATERAL unnest(d.defaclacl) AS g (acl)
  ORDER BY line`;

/** The schema as sorted lines; equal schemas give equal lines. */
export async function schemaLines(owner: DataSource): Promise<string[]> {
  const rows = await owner.query<{ line: string }[]>(SCHEMA);
  return rows.map(({ line }) => line);
}

/** Lines of `after` that `before` has not. */
export function added(before: readonly string[], after: readonly string[]): string[] {
  const known = new Set(before);
  return after.filter((line) => !known.has(line));
}

/** Indexes of one table that answer the same questions; each costs every write and gives nothing. */
export async function duplicateIndexes(owner: DataSource): Promise<string[]> {
  const rows = await owner.query<{ line: string }[]>(`
    SELECT i.indrelid::regclass::text || ': ' || string_agg(i.indexrelid::regclass::text, ', ' ORDER BY i.indexrelid) AS line
      FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_class t ON t.oid = i.indrelid AND t.relnamespace = 'public'::regnamespace
     GROUP BY i.indrelid, c.relam, i.indkey::text, i.indclass::text, i.indcollation::text, i.indoption::text,
              pg_get_expr(i.indexprs, i.indrelid), pg_get_expr(i.indpred, i.indrelid)
    HAVING count(*) > 1`);
  return rows.map(({ line }) => line);
}
