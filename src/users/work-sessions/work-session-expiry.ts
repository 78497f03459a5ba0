import { Injectable, type OnModuleInit } from '@nestjs/common';
import { UnitOfWork } from '../../platform/database/unit-of-work.js';
import { Expiries } from '../../platform/retention/expiries.js';
import { keptDays } from '../../platform/retention/kept-days.js';
import { tableExpiry } from '../../platform/retention/table-expiry.js';

const workSessionsDays = keptDays('workSessionsDays', [7, 365], 'How long ended work sessions are kept.');

/** Work sessions that ended long ago, with all that was said in them. */
@Injectable()
export class WorkSessionExpiry implements OnModuleInit {
  constructor(
    private readonly work: UnitOfWork,
    private readonly expiries: Expiries,
  ) {}

  onModuleInit(): void {
    this.expiries.register(
      tableExpiry(this.work, {
        name: 'work_sessions',
        text: 'Ended work sessions with their entries, from their end.',
        days: workSessionsDays,
        table: 'work_sessions',
        where: 'x.ended_at < $1',
        about: 'ARRAY[x.id::text, x.user_id::text]',
      }),
    );
  }
}
