import { Injectable } from '@nestjs/common';
import { AppError } from '../../kernel/app-error.js';
import { explainConstraint } from '../../platform/database/pg-error.js';
import { UnitOfWork } from '../../platform/database/unit-of-work.js';
import { type Provider, type RoleOfGroup } from './provider.js';

const PROVIDER = `
  SELECT p.id, p.slug, p.kind, p.name, p.enabled, p.config, p.secrets AS "sealedSecrets", p.creates_accounts AS "createsAccounts",
         p.may_grant_superuser AS "mayGrantSuperuser", p.version, p.created_at AS "createdAt", p.created_by AS "createdBy",
         p.updated_at AS "updatedAt",
         COALESCE((SELECT jsonb_agg(jsonb_build_object('group', m.external_group, 'role', r.name) ORDER BY m.external_group, r.name)
                     FROM identity_provider_roles m JOIN roles r ON r.id = m.role_id
                    WHERE m.provider_id = p.id AND m.external_group IS NOT NULL), '[]') AS "roleMap",
         ARRAY (SELECT r.name FROM identity_provider_roles m JOIN roles r ON r.id = m.role_id
                 WHERE m.provider_id = p.id AND m.external_group IS NULL ORDER BY r.name) AS "defaultRoles"
    FROM identity_providers p`;

explainConstraint('identity_providers_slug_unique', () => {
  const detail = 'Another provider has this slug.';
  return new AppError('conflict', 'slug_taken', detail, { errors: [{ pointer: '/slug', code: 'slug_taken', detail }] });
});
explainConstraint('user_identities_provider', () =>
  AppError.conflict('provider_in_use', 'Accounts are linked to this provider; disable it, or unlink them first.'),
);

export type ProviderRow = Pick<
  Provider,
  'id' | 'slug' | 'kind' | 'name' | 'enabled' | 'config' | 'sealedSecrets' | 'createsAccounts' | 'mayGrantSuperuser'
>;

@Injectable()
export class ProvidersRepository {
  constructor(private readonly work: UnitOfWork) {}

  /** Throws `identity_provider_not_found`. */
  async byId(id: string): Promise<Provider> {
    const [provider] = await this.work.query<Provider>(`${PROVIDER} WHERE p.id = $1`, [id]);
    if (!provider) throw AppError.notFound('identity_provider', id);
    return provider;
  }

  /** The same, and nobody else changes it until the unit of work ends. */
  async lockedById(id: string): Promise<Provider> {
    await this.work.queryInside('SELECT FROM identity_providers WHERE id = $1 FOR NO KEY UPDATE', [id]);
    return this.byId(id);
  }

  /** Throws `provider_not_found`: whether it is disabled or was never there is nobody's business. */
  async enabledBySlug(slug: string): Promise<Provider> {
    const [provider] = await this.work.query<Provider>(`${PROVIDER} WHERE p.slug = $1 AND p.enabled`, [slug]);
    if (!provider) throw noProvider();
    return provider;
  }

  enabled(): Promise<Provider[]> {
    return this.work.query<Provider>(`${PROVIDER} WHERE p.enabled ORDER BY lower(p.name), p.id`);
  }

  async page(limit: number, offset: number): Promise<{ items: Provider[]; total: number }> {
    const items = await this.work.query<Provider>(`${PROVIDER} ORDER BY p.slug LIMIT $1 OFFSET $2`, [limit, offset]);
    const [count] = await this.work.query<{ total: number }>('SELECT count(*)::int AS total FROM identity_providers');
    return { items, total: count?.total ?? 0 };
  }

  /** Throws `slug_taken`. */
  async insert(row: ProviderRow, createdBy: string): Promise<void> {
    await this.work.queryInside(
      `INSERT INTO identity_providers (id, slug, kind, name, enabled, config, secrets, creates_accounts, may_grant_superuser, created_by)
       VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)`,
      [...valuesOf(row), createdBy],
    );
  }

  async update(row: ProviderRow): Promise<void> {
    await this.work.queryInside(
      `UPDATE identity_providers
          SET slug = $2, kind = $3, name = $4, enabled = $5, config = $6, secrets = $7, creates_accounts = $8, may_grant_superuser = $9,
              version = version + 1, updated_at = now()
        WHERE id = $1`,
      valuesOf(row),
    );
  }

  /** Throws `unknown_role`. */
  async setRoles(id: string, roleMap: readonly RoleOfGroup[], defaultRoles: readonly string[]): Promise<void> {
    const names = [...roleMap.map(({ role }) => role), ...defaultRoles];
    const known = new Set(
      (await this.work.queryInside<{ name: string }>('SELECT name FROM roles WHERE name = ANY ($1::text[])', [names])).map(
        ({ name }) => name,
      ),
    );
    const unknown = names.findIndex((name) => !known.has(name));
    if (unknown >= 0)
      throw unknownRole(unknown < roleMap.length ? `/roleMap/${unknown}/role` : `/defaultRoles/${unknown - roleMap.length}`);
    await this.work.queryInside('DELETE FROM identity_provider_roles WHERE provider_id = $1', [id]);
    await this.work.queryInside(
      `INSERT INTO identity_provider_roles (provider_id, external_group, role_id)
       SELECT $1, l.external_group, r.id FROM unnest($2::text[], $3::text[]) AS l (external_group, role) JOIN roles r ON r.name = l.role
       ON CONFLICT DO NOTHING`,
      [id, [...roleMap.map(({ group }) => group), ...defaultRoles.map(() => null)], names],
    );
  }

  /** Throws `provider_in_use`. */
  async delete(id: string): Promise<void> {
    await this.work.queryInside('DELETE FROM identity_providers WHERE id = $1', [id]);
  }

  async isInUse(id: string): Promise<boolean> {
    const [found] = await this.work.queryInside('SELECT FROM user_identities WHERE provider_id = $1 LIMIT 1', [id]);
    return found !== undefined;
  }

  async linkedUsers(id: string): Promise<string[]> {
    const rows = await this.work.queryInside<{ id: string }>('SELECT DISTINCT user_id AS id FROM user_identities WHERE provider_id = $1', [
      id,
    ]);
    return rows.map((row) => row.id);
  }

  /** Whether whoever controls the provider could become a superuser. */
  async vouchesForSuperuser(id: string, superuser: string): Promise<boolean> {
    const [found] = await this.work.queryInside(
      `SELECT FROM user_identities i JOIN user_roles ur ON ur.user_id = i.user_id JOIN roles r ON r.id = ur.role_id
        WHERE i.provider_id = $1 AND r.name = $2 LIMIT 1`,
      [id, superuser],
    );
    return found !== undefined;
  }
}

export function noProvider(): AppError {
  return new AppError('not_found', 'provider_not_found', 'There is no such way to sign in.');
}

function unknownRole(pointer: string): AppError {
  return AppError.field(pointer, 'unknown_role', 'There is no such role.');
}

function valuesOf({ id, slug, kind, name, enabled, config, sealedSecrets, createsAccounts, mayGrantSuperuser }: ProviderRow): unknown[] {
  return [id, slug, kind, name, enabled, JSON.stringify(config), sealedSecrets, createsAccounts, mayGrantSuperuser];
}
