import { randomUUID } from 'node:crypto';
import { isIP } from 'node:net';
import { checkServerIdentity, type ConnectionOptions } from 'node:tls';
import {
  AndFilter,
  Client,
  EqualityFilter,
  type Filter,
  InappropriateAuthError,
  InvalidCredentialsError,
  ResultCodeError,
  UnwillingToPerformError,
} from 'ldapts';
import { certificatesOf } from '../config-rules.js';
import { type LdapConfig } from '../provider-config.dto.js';
import { attributesOf, firstNameOf, isBelow, isBinary, type Person, personOf, valuesOf } from './ldap-entry.js';

/**
 * A conversation with a directory as the searching account. Every filter is an object: what people type is a value in it, never part of its
 * text (RFC 4515 has no safe way to forget an escape).
 */
export class LdapConnection {
  private constructor(
    private readonly client: Client,
    private readonly config: LdapConfig,
    private readonly bindPassword: string | undefined,
  ) {}

  /** Connects to that URL, with TLS for the configured host where configured; binds nobody yet. Throws what the network or TLS throws. */
  static async open(config: LdapConfig, url: string, bindPassword: string | undefined): Promise<LdapConnection> {
    const client = new Client({
      url,
      timeout: config.timeoutMs,
      connectTimeout: config.timeoutMs,
      ...(config.tls === 'ldaps' ? { tlsOptions: tlsOptionsOf(config) } : {}),
    });
    const connection = new LdapConnection(client, config, bindPassword);
    try {
      if (config.tls === 'starttls') await client.startTLS(tlsOptionsOf(config));
    } catch (error) {
      await connection.close();
      throw error;
    }
    return connection;
  }

  async close(): Promise<void> {
    await this.client.unbind().catch(() => undefined);
  }

  /** Gets any answer at all: the library connects when it first has something to ask. */
  async greet(): Promise<void> {
    try {
      await this.client.search('', { scope: 'base', attributes: ['supportedLDAPVersion'] });
    } catch (error) {
      if (!(error instanceof ResultCodeError)) throw error;
    }
  }

  /** Becomes the searching account, or nobody when there is none. */
  async bindSearcher(): Promise<void> {
    await this.client.bind(this.config.bindDn ?? '', this.config.bindDn ? (this.bindPassword ?? '') : '');
  }

  /**
   * Whether the password is that entry's. Never asks with an empty one: the directory would take that for an unauthenticated bind and agree
   * (RFC 4513 §5.1.2). Without an entry it asks for one that does not exist, so that the answer takes as long.
   */
  async isPasswordOf(dn: string | undefined, password: string): Promise<boolean> {
    if (password === '') return false;
    try {
      await this.client.bind(dn ?? `${this.config.userAttribute}=${randomUUID()},${this.config.userBase}`, password);
      return dn !== undefined;
    } catch (error) {
      if (error instanceof InvalidCredentialsError || error instanceof InappropriateAuthError) return false;
      if (dn === undefined || error instanceof UnwillingToPerformError) return false;
      throw error;
    }
  }

  findByUsername(username: string): Promise<Person | undefined> {
    return this.find(new EqualityFilter({ attribute: this.config.userAttribute, value: username }));
  }

  findByExternalId(id: string): Promise<Person | undefined> {
    const attribute = this.config.externalIdAttribute;
    return this.find(new EqualityFilter({ attribute, value: isBinary(attribute) ? Buffer.from(id, 'hex') : id }));
  }

  /** Names of the groups a person is in. */
  async groupsOf(person: Person): Promise<string[]> {
    const { groupStyle, groupBase, groupNameAttribute } = this.config;
    if (groupStyle === 'none') return [];
    if (groupStyle === 'memberOf')
      // A group of the same name elsewhere in the tree is another group.
      return person.memberOf.filter((dn) => typeof groupBase !== 'string' || isBelow(dn, groupBase)).map(firstNameOf);
    const filter = new EqualityFilter({ attribute: groupStyle, value: groupStyle === 'member' ? person.dn : person.uid });
    const { searchEntries } = await this.client.search(groupBase ?? '', { scope: 'sub', filter, attributes: [groupNameAttribute] });
    return searchEntries.flatMap((entry) => valuesOf(entry, groupNameAttribute));
  }

  /** Whether there is anything below the base, for the test of a configuration. */
  async hasPeople(): Promise<boolean> {
    const { searchEntries } = await this.client.search(this.config.userBase, { scope: 'sub', sizeLimit: 2, attributes: ['objectClass'] });
    return searchEntries.length > 0;
  }

  /** Of two entries nobody knows whose password or groups would count: more than one is nobody. */
  private async find(filter: Filter): Promise<Person | undefined> {
    const { userObjectClass, userBase, externalIdAttribute } = this.config;
    const { searchEntries } = await this.client.search(userBase, {
      scope: 'sub',
      sizeLimit: 2,
      filter:
        typeof userObjectClass === 'string'
          ? new AndFilter({ filters: [new EqualityFilter({ attribute: 'objectClass', value: userObjectClass }), filter] })
          : filter,
      attributes: attributesOf(this.config),
      explicitBufferAttributes: isBinary(externalIdAttribute) ? [externalIdAttribute] : [],
    });
    const [entry, ...others] = searchEntries;
    return entry && others.length === 0 ? personOf(entry, this.config) : undefined;
  }
}

function tlsOptionsOf({ url, caPem }: LdapConfig): ConnectionOptions {
  const host = new URL(url).hostname.replace(/^\[(.*)\]$/, '$1');
  return {
    // We connect by address; the certificate must be for the name all the same.
    checkServerIdentity: (_address, certificate) => checkServerIdentity(host, certificate),
    ...(isIP(host) === 0 ? { servername: host } : {}),
    minVersion: 'TLSv1.2',
    ...(typeof caPem === 'string' ? { ca: certificatesOf(caPem, '/config/caPem') } : {}),
  };
}
