import { Injectable, type OnModuleInit } from '@nestjs/common';
import { UnitOfWork } from '../database/unit-of-work.js';
import { Expiries } from '../retention/expiries.js';
import { keptDays } from '../retention/kept-days.js';
import { tableExpiry } from '../retention/table-expiry.js';

const jobsDays = keptDays('jobsDays', [1, 7], 'How long jobs are kept that are done. Dead ones stay until somebody looks at them.');
const answersDays = keptDays('answersDays', [1, 1], 'How long the answer to a call with an Idempotency-Key is kept.');

/** Jobs long done and answers nobody will ask for again. */
@Injectable()
export class JobExpiries implements OnModuleInit {
  constructor(
    private readonly work: UnitOfWork,
    private readonly expiries: Expiries,
  ) {}

  onModuleInit(): void {
    this.expiries.register(
      tableExpiry(this.work, {
        name: 'jobs',
        text: 'Jobs that are done, from when they were.',
        days: jobsDays,
        table: 'jobs',
        where: `x.state = 'done' AND x.finished_at < $1`,
      }),
      tableExpiry(this.work, {
        name: 'answers',
        text: 'Answers to calls with an Idempotency-Key, from when they were given.',
        days: answersDays,
        table: 'idempotency_keys',
        where: 'x.created_at < $1',
      }),
    );
  }
}
