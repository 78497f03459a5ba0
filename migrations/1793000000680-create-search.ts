import { type MigrationInterface, type QueryRunner } from 'typeorm';

/** The words of pools and addresses, for one search over all. */
export class CreateSearch1793000000680 implements MigrationInterface {
  name = 'CreateSearch1793000000680';

  async up(q: QueryRunner): Promise<void> {
    // On an empty database all migrations are one transaction, and the first VRF's roots are still to be checked.
    await q.query('SET CONSTRAINTS ALL IMMEDIATE');
    await q.query('SET CONSTRAINTS ALL DEFERRED');
    // Both answer: words that begin so, anywhere in the texts. Names are cut at dots and dashes, which the parser would keep together.
    // Locks writes while it is built: about ten seconds a million rows.
    await q.query(`
      CREATE INDEX pools_words ON pools USING gin (to_tsvector('simple'::regconfig, translate(
        name || ' ' || coalesce(site, '') || ' ' || coalesce(environment, '') || ' ' || description, '.-_/:@', '      ')))
       WHERE kind <> 'root'`);
    // An address without a word is not in it, so that handing out the next free one costs nothing.
    await q.query(`
      CREATE INDEX allocations_words ON allocations USING gin (to_tsvector('simple'::regconfig, translate(
        coalesce(hostname, '') || ' ' || coalesce(owner, '') || ' ' || coalesce(purpose, '') || ' ' || description, '.-_/:@', '      ')))
       WHERE released_at IS NULL AND (hostname IS NOT NULL OR owner IS NOT NULL OR purpose IS NOT NULL OR description <> '')`);
  }

  async down(q: QueryRunner): Promise<void> {
    await q.query('DROP INDEX pools_words, allocations_words');
  }
}
