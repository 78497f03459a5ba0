import { IsString, Length, Matches } from 'class-validator';
import { type SubjectState } from './erasure.service.js';

export class EraseSubject {
  /** Why, for the trail: it stays, so it names nobody. */
  @IsString()
  @Length(1, 500)
  @Matches(/\S/)
  reason!: string;
}

export class SubjectKeyView {
  kid!: string;
  createdAt!: string;
  destroyedAt!: string | null;
  destroyedBy!: string | null;
  reason!: string | null;
}

export class SubjectLogView {
  log!: string;
  /** Events that say something of the person under one of the keys. */
  encrypted!: number;
  /** Of those, how many can still be found by what they say. */
  findable!: number;
  /** Events by or about the account that were written without encryption: an erasure does not reach them. */
  clear!: number;
}

export class SubjectView {
  subject!: string;
  /** Whether the account is in use; it is not erased then. */
  active!: boolean;
  /** Whether events of the person are under a legal hold; they are not erased then. */
  held!: boolean;
  keys!: SubjectKeyView[];
  /** What of the person is in each log; events of the last second are not counted. */
  logs!: SubjectLogView[];

  static of({ subject, active, held, keys, logs }: SubjectState): SubjectView {
    return {
      subject,
      active,
      held,
      keys: keys.map(({ kid, createdAt, destroyedAt, destroyedBy, reason }) => ({
        kid,
        createdAt: createdAt.toISOString(),
        destroyedAt: destroyedAt?.toISOString() ?? null,
        destroyedBy,
        reason,
      })),
      logs,
    };
  }
}
