import { type MigrationInterface, type QueryRunner } from 'typeorm';

/**
 * Addresses by the thousand. Carving a pool's space run by run updates the same few rows again and again, and within one transaction every
 * update walks over all versions before it: 20,000 scattered addresses take a minute. A transaction that says it loads many has the space of
 * the pools it fills made anew instead, which takes a second and refuses the same.
 */
export class CreateIpamImport1793000000500 implements MigrationInterface {
  name = 'CreateIpamImport1793000000500';

  async up(q: QueryRunner): Promise<void> {
    // True in the transaction that said so, until it ends.
    await q.query(`
      CREATE FUNCTION ipam_loads_many() RETURNS boolean LANGUAGE sql STABLE AS $$
        SELECT coalesce(current_setting('cadastre.loading', true) = pg_current_xact_id_if_assigned()::text, false) $$`);
    await q.query(`
      CREATE FUNCTION allocations_take_many() RETURNS trigger LANGUAGE plpgsql AS $$
      DECLARE
        bad record;
        filled record;
      BEGIN
        SELECT n.address, p.id, p.kind, p.network INTO bad FROM inserted n LEFT JOIN pools p ON p.id = n.pool_id
         WHERE n.returned_at IS NULL AND (p.kind IS DISTINCT FROM 'subnet' OR p.family <> family(n.address)) LIMIT 1;
        IF FOUND AND bad.kind IS DISTINCT FROM 'subnet' THEN
          RAISE SQLSTATE 'CD409' USING MESSAGE = 'pool_holds_no_addresses', DETAIL = bad.network || ' is a container: it takes child pools, not addresses.',
            HINT = json_build_object('poolId', bad.id);
        ELSIF FOUND THEN
          RAISE SQLSTATE 'CD422' USING MESSAGE = 'address_outside_pool', DETAIL = host(bad.address) || ' is not inside ' || bad.network || '.',
            HINT = json_build_object('pointer', '/address', 'network', bad.network);
        END IF;
        FOR filled IN SELECT DISTINCT n.pool_id FROM inserted n WHERE n.returned_at IS NULL ORDER BY n.pool_id LOOP
          PERFORM ipam_lock(filled.pool_id);
          PERFORM ipam_build(filled.pool_id);
        END LOOP;
        RETURN NULL;
      END $$`);
    await q.query('DROP TRIGGER allocations_take_space ON allocations');
    await q.query(`
      CREATE TRIGGER allocations_take_space AFTER INSERT ON allocations REFERENCING NEW TABLE AS inserted
      FOR EACH STATEMENT WHEN (NOT ipam_loads_many()) EXECUTE FUNCTION allocations_take_space()`);
    await q.query(`
      CREATE TRIGGER allocations_take_many AFTER INSERT ON allocations REFERENCING NEW TABLE AS inserted
      FOR EACH STATEMENT WHEN (ipam_loads_many()) EXECUTE FUNCTION allocations_take_many()`);
  }

  async down(q: QueryRunner): Promise<void> {
    await q.query('DROP TRIGGER allocations_take_many ON allocations');
    await q.query('DROP TRIGGER allocations_take_space ON allocations');
    await q.query('DROP FUNCTION allocations_take_many(), ipam_loads_many()');
    await q.query(`
      CREATE TRIGGER allocations_take_space AFTER INSERT ON allocations REFERENCING NEW TABLE AS inserted
      FOR EACH STATEMENT EXECUTE FUNCTION allocations_take_space()`);
  }
}
