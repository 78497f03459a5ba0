import { type MigrationInterface, type QueryRunner } from 'typeorm';

/**
 * Rights that hold in some networks only. A transaction of somebody so limited puts the schema `scoped` before `public` in its search path
 * and names the limits in `cadastre.scope`: every statement then meets views in the tables' place, which show and take only what is inside.
 * Whoever is not limited never touches them.
 */
export class ScopeIpam1793000000670 implements MigrationInterface {
  name = 'ScopeIpam1793000000670';

  async up(q: QueryRunner): Promise<void> {
    await q.query('CREATE SCHEMA scoped');
    // One row a pair of VRF and network, null standing for any. Without a setting there is none, and nothing is visible.
    await q.query(`
      CREATE FUNCTION scoped.grants() RETURNS TABLE (vrf_id uuid, network cidr) LANGUAGE sql STABLE ROWS 4 AS $$
        SELECT v.value::uuid, n.value::cidr
          FROM jsonb_array_elements(nullif(current_setting('cadastre.scope', true), '')::jsonb) g (value)
         CROSS JOIN LATERAL jsonb_array_elements_text(coalesce(nullif(g.value -> 'vrfIds', 'null'), '[null]')) v
         CROSS JOIN LATERAL jsonb_array_elements_text(coalesce(nullif(g.value -> 'networks', 'null'), '[null]')) n
      $$`);
    await q.query(`
      CREATE VIEW scoped.vrfs AS
        SELECT * FROM public.vrfs
         WHERE EXISTS (SELECT FROM scoped.grants() g WHERE g.vrf_id IS NULL OR g.vrf_id = vrfs.id)
        WITH LOCAL CHECK OPTION`);
    // A pool is inside when the whole of it is: one that reaches beyond would show how much of the rest is used.
    await q.query(`
      CREATE VIEW scoped.pools AS
        SELECT * FROM public.pools
         WHERE EXISTS (SELECT FROM scoped.grants() g
                        WHERE (g.vrf_id IS NULL OR g.vrf_id = pools.vrf_id) AND (g.network IS NULL OR pools.network <<= g.network))
        WITH LOCAL CHECK OPTION`);
    await q.query(`
      CREATE VIEW scoped.allocations AS
        SELECT * FROM public.allocations
         WHERE EXISTS (SELECT FROM scoped.grants() g
                        WHERE (g.vrf_id IS NULL OR g.vrf_id = allocations.vrf_id)
                          AND (g.network IS NULL OR (allocations.address <<= g.network AND allocations.last_address <<= g.network)))
        WITH LOCAL CHECK OPTION`);
    for (const table of ['pool_usage', 'pool_usage_samples', 'pool_alerts', 'extents'])
      await q.query(`CREATE VIEW scoped.${table} AS SELECT * FROM public.${table} WHERE pool_id IN (SELECT p.id FROM scoped.pools p)`);
    await q.query(`
      CREATE FUNCTION scoped.require_inside(the_vrf uuid, the_network cidr) RETURNS void LANGUAGE plpgsql STABLE AS $$
      BEGIN
        IF NOT EXISTS (SELECT FROM scoped.grants() g
                        WHERE (g.vrf_id IS NULL OR g.vrf_id = the_vrf) AND (g.network IS NULL OR the_network <<= g.network)) THEN
          RAISE SQLSTATE 'CD403' USING MESSAGE = 'outside_networks', DETAIL = format('%s is outside of the networks your right to this is limited to.', the_network);
        END IF;
      END $$`);
    await q.query('GRANT USAGE ON SCHEMA scoped TO cadastre_app');
    await q.query('GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA scoped TO cadastre_app');
    // What keeps the space must see all of it, whoever calls.
    await q.query(EACH_FUNCTION('SET search_path = public, pg_temp'));
  }

  async down(q: QueryRunner): Promise<void> {
    await q.query(EACH_FUNCTION('RESET search_path'));
    await q.query('DROP SCHEMA scoped CASCADE');
  }
}

/** Alters the functions whose bodies speak of the tables. */
const EACH_FUNCTION = (change: string): string => `
  DO $$
  DECLARE f regprocedure;
  BEGIN
    FOR f IN SELECT p.oid::regprocedure FROM pg_proc p
              WHERE p.pronamespace = 'public'::regnamespace AND p.proname ~ '^(ipam|pools|allocations|vrfs|pool_usage)_'
                AND p.prosrc ~ '\\y(vrfs|pools|allocations|pool_usage|pool_alerts|extents)\\y'
    LOOP
      EXECUTE format('ALTER FUNCTION %s ${change}', f);
    END LOOP;
  END $$`;
