import { Injectable } from '@nestjs/common';
import { v7 as uuidv7 } from 'uuid';
import { AuditTrail } from '../../audit/trail/audit-trail.js';
import { AppConfig } from '../../config/app-config.js';
import { AppError } from '../../kernel/app-error.js';
import { canonicalJson, toJson } from '../../kernel/canonical-json.js';
import { actorName } from '../../platform/context/request-context.js';
import { UnitOfWork } from '../../platform/database/unit-of-work.js';
import { staleVersion } from '../../platform/http/etag.js';
import { checkConfig } from './config-rules.js';
import { ProviderGate } from './provider-gate.js';
import { ProviderSecrets, type Secrets } from './provider-secrets.js';
import { type CreateIdentityProvider, type PatchIdentityProvider } from './provider.dto.js';
import { type Provider, type RoleOfGroup } from './provider.js';
import { ProviderTargets } from './provider-targets.js';
import { ProvidersRepository } from './providers.repository.js';

@Injectable()
export class ProvidersService {
  private readonly production: boolean;

  constructor(
    private readonly work: UnitOfWork,
    private readonly providers: ProvidersRepository,
    private readonly secrets: ProviderSecrets,
    private readonly gate: ProviderGate,
    private readonly audit: AuditTrail,
    private readonly targets: ProviderTargets,
    config: AppConfig,
  ) {
    this.production = config.env === 'production';
  }

  list(limit: number, offset: number): Promise<{ items: Provider[]; total: number }> {
    return this.providers.page(limit, offset);
  }

  get(id: string): Promise<Provider> {
    return this.providers.byId(id);
  }

  /** Throws `slug_taken`, `unknown_role`, what ProviderGate throws, or what checkConfig() throws. */
  async create(input: CreateIdentityProvider): Promise<Provider> {
    const {
      slug,
      name,
      config,
      enabled = true,
      createsAccounts = false,
      mayGrantSuperuser = false,
      roleMap = [],
      defaultRoles = [],
    } = input;
    const id = uuidv7();
    const secrets = this.secrets.changed(config.kind, {}, input.secrets);
    await checkConfig(config, secrets, this.production, this.targets);
    const sealedSecrets = this.secrets.seal(id, secrets);
    return this.work.run(async () => {
      await this.gate.open();
      await this.gate.allowNew({ roleMap, defaultRoles, createsAccounts, mayGrantSuperuser });
      await this.providers.insert(
        { id, slug, kind: config.kind, name, enabled, config, sealedSecrets, createsAccounts, mayGrantSuperuser },
        actorName(),
      );
      await this.providers.setRoles(id, roleMap, defaultRoles);
      const after = await this.providers.byId(id);
      await this.audit.record({ action: 'identity_provider.created', ...about(after), after: this.audited(after) });
      return after;
    });
  }

  /** Also throws `kind_is_fixed`, `issuer_is_fixed` and `stale_version`. */
  patch(id: string, input: PatchIdentityProvider, expected: number | undefined): Promise<Provider> {
    return this.work.run(async () => {
      await this.gate.open();
      const before = await this.locked(id, expected);
      const known = this.secrets.of(before);
      const { next, secrets } = this.changed(before, input);
      await checkConfig(next.config, secrets, this.production, this.targets);
      await this.gate.allowChange({ provider: before, secrets: known }, { provider: next, secrets });
      if (sameAs(before, next) && canonicalJson(toJson(known)) === canonicalJson(toJson(secrets))) return before;
      if (issuerOf(before) !== issuerOf(next) && (await this.providers.isInUse(id)))
        throw AppError.conflict(
          'issuer_is_fixed',
          'Accounts are linked to names that this issuer gave; at another one they may be other people’s.',
        );
      await this.providers.update({ ...next, sealedSecrets: this.secrets.seal(id, secrets) });
      await this.providers.setRoles(id, next.roleMap, next.defaultRoles);
      const after = await this.providers.byId(id);
      await this.audit.record({
        action: 'identity_provider.updated',
        severity: 'medium',
        ...about(after),
        before: this.audited(before),
        after: this.audited(after),
      });
      return after;
    });
  }

  /** Throws `provider_in_use` while accounts are linked to it. */
  async delete(id: string, expected: number | undefined): Promise<void> {
    await this.work.run(async () => {
      const before = await this.locked(id, expected);
      await this.providers.delete(id);
      await this.audit.record({ action: 'identity_provider.deleted', severity: 'medium', ...about(before), before: this.audited(before) });
    });
  }

  private changed(before: Provider, input: PatchIdentityProvider): { next: Provider; secrets: Secrets } {
    const config = input.config ?? before.config;
    if (config.kind !== before.kind) throw AppError.field('/config/kind', 'kind_is_fixed', 'A provider keeps its kind; make another one.');
    const { name, enabled, roleMap, defaultRoles, createsAccounts, mayGrantSuperuser } = before;
    const next: Provider = {
      ...before,
      config,
      name: input.name ?? name,
      enabled: input.enabled ?? enabled,
      roleMap: input.roleMap ?? roleMap,
      defaultRoles: input.defaultRoles ?? defaultRoles,
      createsAccounts: input.createsAccounts ?? createsAccounts,
      mayGrantSuperuser: input.mayGrantSuperuser ?? mayGrantSuperuser,
    };
    return { next, secrets: this.secrets.changed(before.kind, this.secrets.of(before), input.secrets) };
  }

  private async locked(id: string, expected: number | undefined): Promise<Provider> {
    const provider = await this.providers.lockedById(id);
    if (expected !== undefined && expected !== provider.version) throw staleVersion(provider.version);
    return provider;
  }

  private audited(provider: Provider): object {
    const { slug, kind, name, enabled, config, roleMap, defaultRoles, createsAccounts, mayGrantSuperuser } = provider;
    const secretDigests = this.secrets.digests(provider);
    return { slug, kind, name, enabled, config, roleMap, defaultRoles, createsAccounts, mayGrantSuperuser, secretDigests };
  }
}

/** Whose names the external ids are. A directory may move: its entries have ids that are unique everywhere. */
function issuerOf({ config }: Provider): string | undefined {
  return config.kind === 'oidc' ? config.issuer : config.kind === 'saml' ? config.idpEntityId : undefined;
}

function sameAs(before: Provider, next: Provider): boolean {
  const content = ({ name, enabled, config, defaultRoles, createsAccounts, mayGrantSuperuser, roleMap }: Provider): string =>
    canonicalJson(
      toJson({
        name,
        enabled,
        config,
        createsAccounts,
        mayGrantSuperuser,
        defaultRoles: [...defaultRoles].sort(),
        roleMap: [...new Set(roleMap.map(lineOf))].sort(),
      }),
    );
  return content(before) === content(next);
}

function lineOf({ group, role }: RoleOfGroup): string {
  return JSON.stringify([group, role]);
}

function about({ id, slug }: Provider): { category: 'governance'; resource: { type: string; id: string; name: string } } {
  return { category: 'governance', resource: { type: 'identity_provider', id, name: slug } };
}
