import { Injectable, type OnModuleInit } from '@nestjs/common';
import { UnitOfWork } from '../../platform/database/unit-of-work.js';
import { Expiries } from '../../platform/retention/expiries.js';
import { keptDays } from '../../platform/retention/kept-days.js';
import { tableExpiry } from '../../platform/retention/table-expiry.js';
import { keySettings } from './key-settings.js';

/** Not below 91: the database lets go of nothing that was resolved within 90 days. */
const securityEventsDays = keptDays('securityEventsDays', [91, 730], 'How long security events are kept that are resolved.');
/** A key's doings are its owner's. */
const ABOUT = 'ARRAY[x.key_id::text, (SELECT k.owner_id::text FROM api_keys k WHERE k.id = x.key_id)]';

/** What is kept of the use of keys, and of what was odd about it. */
@Injectable()
export class KeyExpiries implements OnModuleInit {
  constructor(
    private readonly work: UnitOfWork,
    private readonly expiries: Expiries,
  ) {}

  onModuleInit(): void {
    this.expiries.register(
      tableExpiry(this.work, {
        name: 'key_usage',
        text: 'Hourly figures of the use of API keys, from their hour.',
        days: keySettings.usageKeptDays,
        table: 'api_key_usage',
        where: 'x.hour < $1',
        about: ABOUT,
      }),
      tableExpiry(this.work, {
        name: 'security_events',
        text: 'Resolved security events, from when they were resolved. Others stay.',
        days: securityEventsDays,
        table: 'security_events',
        where: 'x.resolved_at < $1',
        about: ABOUT,
      }),
    );
  }
}
