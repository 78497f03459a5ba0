import { type Agent } from 'supertest';
import { createUser, signIn, type TestUser, withToken } from './sign-in.js';
import { type TestApp } from './test-app.js';

const PREFIX = '/api/v1/ipam';

/** A thing made over HTTP; most of what tests need of it. */
export interface Made {
  id: string;
  version: number;
}

export interface MadePool extends Made {
  network: string;
  /** The first three parts of a /24. */
  prefix: string;
}

export interface MadeAddress extends Made {
  address: string;
}

/** Makes what a test needs through the API, each thing with a name and a network of its own. */
export class Builders {
  private made = 0;

  private constructor(
    readonly t: TestApp,
    /** A superuser: makes everything. */
    readonly root: Agent,
    /** Who that is. */
    readonly rootUser: TestUser,
  ) {}

  static async of(t: TestApp): Promise<Builders> {
    const user = await createUser(t, { roles: ['superuser'] });
    return new Builders(t, withToken(t, (await signIn(t, user)).accessToken), user);
  }

  name(noun = 'thing'): string {
    return `${noun}-${++this.made}`;
  }

  /** A /24 that no other call gave. */
  network(): string {
    const n = ++this.made;
    return `10.${Math.floor(n / 256)}.${n % 256}.0/24`;
  }

  aVrf(): Promise<Made> {
    return this.make(`${PREFIX}/vrfs`, { name: this.name('vrf') });
  }

  async aPool(more: object = {}): Promise<MadePool> {
    const network = this.network();
    const pool = await this.make<MadePool>(`${PREFIX}/pools`, { network, name: this.name('pool'), kind: 'subnet', ...more });
    return { ...pool, prefix: pool.network.replace(/\.0\/\d+$/, '') };
  }

  async anAddress(more: object = {}): Promise<MadeAddress & { pool: MadePool }> {
    const pool = await this.aPool();
    const { items } = await this.make<{ items: MadeAddress[] }>(`${PREFIX}/pools/${pool.id}/allocations`, more);
    const [first] = items;
    if (!first) throw new Error('No address was allocated.');
    return { ...first, pool };
  }

  aUser(more: object = {}): Promise<Made> {
    return this.make('/api/v1/users', { username: this.name('user'), password: 'a first word to be changed', roles: ['viewer'], ...more });
  }

  async aJob(state: 'dead' | 'done'): Promise<{ id: string }> {
    const [job] = await this.t.sql<{ id: string }>(`INSERT INTO jobs (name, state) VALUES ('test.nobody', $1) RETURNING id`, [state]);
    if (!job) throw new Error('No job was made.');
    return job;
  }

  private async make<T extends object = Made>(path: string, body: object): Promise<T> {
    const answer = await this.root.post(path).send(body);
    if (answer.status !== 201) throw new Error(`POST ${path} was answered ${answer.status}: ${answer.text}`);
    return answer.body as T;
  }
}
