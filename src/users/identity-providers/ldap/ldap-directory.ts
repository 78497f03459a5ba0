import { Injectable } from '@nestjs/common';
import { BoundedGate } from '../../../kernel/bounded-gate.js';
import { asProviderAway, providerAway } from '../provider-away.js';
import { ProviderSecrets } from '../provider-secrets.js';
import { type LdapProvider, type TestStep, type Vouched } from '../provider.js';
import { ProviderTargets } from '../provider-targets.js';
import { LdapConnection } from './ldap-connection.js';
import { type Person } from './ldap-entry.js';
import { steps } from '../steps.js';

const AT_ONCE = 16;
const QUEUE = 64;

export type Refusal = 'unknown_user' | 'wrong_password' | 'inactive';

/** Directories, as providers are configured. Throws `provider_unavailable` when one does not answer as a directory does. */
@Injectable()
export class LdapDirectory {
  private readonly gate = new BoundedGate(AT_ONCE, QUEUE, () => providerAway(new Error('Too many wait for the directory already.')));

  constructor(
    private readonly secrets: ProviderSecrets,
    private readonly targets: ProviderTargets,
  ) {}

  /** Who this is, or why not. */
  async authenticate(provider: LdapProvider, username: string, password: string): Promise<Vouched | Refusal> {
    if (password === '' || username === '') return 'wrong_password';
    return this.asSearcher(provider, async (directory) => {
      const person = await directory.findByUsername(username);
      if (!(await directory.isPasswordOf(person?.dn, password)) || !person) return person ? 'wrong_password' : 'unknown_user';
      if (person.disabled) return 'inactive';
      await directory.bindSearcher();
      return withGroups(directory, person);
    });
  }

  /** Runs `work` bound as the searching account. */
  asSearcher<T>(provider: LdapProvider, work: (directory: LdapConnection) => Promise<T>): Promise<T> {
    return this.gate.run(async () => {
      let directory: LdapConnection | undefined;
      try {
        directory = await this.open(provider);
        await directory.bindSearcher();
        return await work(directory);
      } catch (error) {
        throw asProviderAway(error);
      } finally {
        await directory?.close();
      }
    });
  }

  /** The steps of a sign-in as far as nobody's password is needed. */
  async test(provider: LdapProvider): Promise<TestStep[]> {
    const { config } = provider;
    let directory: LdapConnection | undefined;
    try {
      return await steps([
        [
          config.tls === 'none' ? 'connect' : 'connect with TLS',
          async () => {
            directory = await this.open(provider);
            await directory.greet();
            return config.url;
          },
        ],
        [
          'bind',
          async () => {
            await directory?.bindSearcher();
            return config.bindDn ?? 'anonymous';
          },
        ],
        [
          'search',
          async () => {
            if ((await directory?.hasPeople()) !== true) throw new Error(`There is nothing to see below ${config.userBase}.`);
            return config.userBase;
          },
        ],
      ]);
    } finally {
      await directory?.close();
    }
  }

  private async open(provider: LdapProvider): Promise<LdapConnection> {
    const { config } = provider;
    return LdapConnection.open(config, await this.targets.byAddress(config.url), this.secrets.of(provider).bindPassword);
  }
}

export async function withGroups(directory: LdapConnection, person: Person): Promise<Vouched> {
  return { ...person.vouched, groups: await directory.groupsOf(person) };
}
