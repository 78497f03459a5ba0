import { createSecretKey, randomBytes } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { v7 as uuidv7 } from 'uuid';
import { SecretBox } from '../../platform/crypto/secret-box.js';
import { UnitOfWork } from '../../platform/database/unit-of-work.js';
import { Log } from '../../platform/logging/log.js';
import { type DataKey } from './data-key.js';
import { type StoredKey, SubjectKeysRepository } from './subject-keys.repository.js';

const MOST_KEPT = 20_000;

/** A key that nobody can use: destroyed, or wrapped by a key that this process does not have. */
export type Lost = 'erased' | 'missing';

/**
 * The keys that hide what is said of a person. One that is made belongs to the unit of work that needs it first, and to everybody once that is
 * committed: callers who meet make one each, and a person then has several, which are all destroyed together. Nobody waits for anybody.
 */
@Injectable()
export class SubjectKeys {
  private readonly ofPerson = new Map<string, DataKey>();
  private readonly byKid = new Map<string, DataKey | Lost>();
  private readonly made = new WeakMap<object, Map<string, DataKey>>();
  private destroyed: number | undefined;
  /** Counts how often all was forgotten: what was read before must not be remembered afterwards. */
  private generation = 0;

  constructor(
    private readonly stored: SubjectKeysRepository,
    private readonly box: SecretBox,
    private readonly work: UnitOfWork,
    private readonly log: Log,
  ) {}

  /** The key to write about a person with, without a question to the database; undefined when it has to be asked. */
  known(person: string): DataKey | undefined {
    return this.ofPerson.get(person);
  }

  /** The same, from the database or made now. Part of the open unit of work. */
  async for(person: string): Promise<DataKey> {
    const known = this.ofPerson.get(person) ?? this.made.get(this.work.current)?.get(person);
    if (known) return known;
    return (await this.find(person)) ?? this.make(person);
  }

  /** The keys to read with. */
  async byKids(kids: ReadonlySet<string>): Promise<ReadonlyMap<string, DataKey | Lost>> {
    const unknown = [...kids].filter((kid) => !this.byKid.has(kid));
    const found = new Map<string, DataKey | Lost>();
    const { generation } = this;
    if (unknown.length > 0) for (const key of await this.stored.byKids(unknown)) found.set(key.kid, this.unwrapped(key));
    for (const kid of kids) found.set(kid, found.get(kid) ?? this.byKid.get(kid) ?? 'missing');
    for (const kid of unknown) {
      const key = found.get(kid);
      if (key !== undefined && key !== 'missing' && generation === this.generation) remember(this.byKid, kid, key);
    }
    return found;
  }

  /** Nothing is taken from memory any more. */
  forget(): void {
    this.generation++;
    this.ofPerson.clear();
    this.byKid.clear();
  }

  /** Forgets when a key was destroyed anywhere since this was asked last. */
  async refresh(): Promise<void> {
    const destroyed = await this.stored.destroyedCount();
    if (this.destroyed !== destroyed) this.forget();
    this.destroyed = destroyed;
  }

  private async find(person: string): Promise<DataKey | undefined> {
    const { generation } = this;
    for (const stored of await this.stored.present(person)) {
      const key = this.unwrapped(stored);
      if (typeof key === 'string') continue;
      this.keepFor(person, key, generation);
      return key;
    }
    return undefined;
  }

  private async make(person: string): Promise<DataKey> {
    await this.stored.keepErasureWaiting(person);
    const { generation } = this;
    const secret = randomBytes(32);
    const key = { kid: uuidv7(), key: createSecretKey(secret) };
    await this.stored.insert(key.kid, person, this.box.seal(secret.toString('base64url'), purposeOf(key.kid)));
    this.keepFor(person, key, generation);
    return key;
  }

  private keepFor(person: string, key: DataKey, generation: number): void {
    const unit = this.work.current;
    const keys = this.made.get(unit) ?? new Map<string, DataKey>();
    this.made.set(unit, keys.set(person, key));
    this.work.afterCommit(() => {
      if (generation === this.generation) remember(this.ofPerson, person, key);
    });
  }

  private unwrapped({ kid, wrapped }: StoredKey): DataKey | Lost {
    if (!wrapped) return 'erased';
    try {
      return { kid, key: createSecretKey(Buffer.from(this.box.open(wrapped, purposeOf(kid)), 'base64url')) };
    } catch (error) {
      this.log.error('a key of the audit trail cannot be opened', { kid, error });
      return 'missing';
    }
  }
}

function purposeOf(kid: string): string {
  return `audit subject ${kid}`;
}

function remember<T>(cache: Map<string, T>, name: string, value: T): void {
  // All at once, and seldom: what is asked for comes back.
  if (cache.size >= MOST_KEPT) cache.clear();
  cache.set(name, value);
}
