import { Injectable } from '@nestjs/common';
import { UnitOfWork } from '../../platform/database/unit-of-work.js';

/** What was said between a provider and us, by its id, shared by all instances and remembered until it can no longer be used. */
@Injectable()
export class ProviderMessages {
  constructor(private readonly work: UnitOfWork) {}

  /** False when this id is remembered already. */
  async remember(providerId: string, id: string, seconds: number, value = ''): Promise<boolean> {
    const kept = await this.work.query(
      `INSERT INTO provider_messages (provider_id, id, value, expires_at) VALUES ($1, $2, $3, now() + make_interval(secs => $4))
       ON CONFLICT DO NOTHING
       RETURNING id`,
      [providerId, id.slice(0, 1000), value, seconds],
    );
    return kept.length > 0;
  }

  async valueOf(providerId: string, id: string): Promise<string | undefined> {
    const [found] = await this.work.query<{ value: string }>(
      'SELECT value FROM provider_messages WHERE provider_id = $1 AND id = $2 AND expires_at > now()',
      [providerId, id],
    );
    return found?.value;
  }

  /** True for one caller only. */
  async forget(providerId: string, id: string): Promise<boolean> {
    const gone = await this.work.query('DELETE FROM provider_messages WHERE provider_id = $1 AND id = $2 RETURNING id', [providerId, id]);
    return gone.length > 0;
  }
}
