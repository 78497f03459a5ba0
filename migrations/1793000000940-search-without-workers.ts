import { type MigrationInterface, type QueryRunner } from 'typeorm';

/**
 * A search for words finds a few events by an index. Of words that are rare PostgreSQL knows only that they are, takes them for thousands in a
 * large log, and had other processes help: starting those takes longer than the search.
 */
export class SearchWithoutWorkers1793000000940 implements MigrationInterface {
  name = 'SearchWithoutWorkers1793000000940';

  async up(q: QueryRunner): Promise<void> {
    await q.query('ALTER FUNCTION audit_words(text, text) PARALLEL RESTRICTED');
  }

  async down(q: QueryRunner): Promise<void> {
    await q.query('ALTER FUNCTION audit_words(text, text) PARALLEL SAFE');
  }
}
