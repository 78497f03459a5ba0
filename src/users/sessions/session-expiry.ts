import { Injectable, type OnModuleInit } from '@nestjs/common';
import { UnitOfWork } from '../../platform/database/unit-of-work.js';
import { Expiries } from '../../platform/retention/expiries.js';
import { keptDays } from '../../platform/retention/kept-days.js';
import { tableExpiry } from '../../platform/retention/table-expiry.js';
import { signInSettings } from './sign-in-settings.js';

const invitationsDays = keptDays('invitationsDays', [1, 30], 'How long invitations are kept that nobody took in time.');

/** Sessions that ended long ago, with their refresh tokens, and invitations nobody took. */
@Injectable()
export class SessionExpiry implements OnModuleInit {
  constructor(
    private readonly work: UnitOfWork,
    private readonly expiries: Expiries,
  ) {}

  onModuleInit(): void {
    this.expiries.register(
      tableExpiry(this.work, {
        name: 'sessions',
        text: 'Ended sessions with their refresh tokens, from their end.',
        days: signInSettings.keptDays,
        table: 'auth_sessions',
        where: 'x.ended_at < $1',
        about: 'ARRAY[x.id::text, x.user_id::text]',
      }),
      tableExpiry(this.work, {
        name: 'invitations',
        text: 'Invitations nobody took, from when they expired.',
        days: invitationsDays,
        table: 'invitations',
        where: 'x.expires_at < $1',
      }),
    );
  }
}
