import { ApiProperty, OmitType } from '@nestjs/swagger';
import { Type } from 'class-transformer';
import {
  ArrayMaxSize,
  ArrayNotEmpty,
  IsArray,
  IsDefined,
  IsIn,
  IsInt,
  IsObject,
  IsOptional,
  IsUUID,
  Max,
  Min,
  ValidateNested,
} from 'class-validator';
import { CursorPage, WholeNumber } from '../../platform/http/paging.dto.js';
import { AuditFilter } from '../log/audit-filter.dto.js';
import { originOf } from '../sealing/checkpoint.js';
import { type StoredCheckpoint, type StoredKey } from '../sealing/sealing.repository.js';
import { verifierKey } from '../sealing/signed-note.js';
import { readKeyNote } from '../sealing/signing-keys.js';
import { type AuditClass, auditClasses } from '../trail/audit-event.js';
import { type Evidence, MOST_EVENTS, type ProvenEvent } from './evidence.service.js';

const classes = Object.keys(auditClasses) as AuditClass[];

export class CheckpointFilter extends CursorPage {
  /** The log. */
  @IsDefined()
  @IsIn(classes)
  class!: AuditClass;
}

export class ConsistencyQuery {
  /** The log. */
  @IsDefined()
  @IsIn(classes)
  class!: AuditClass;

  /** Events of the earlier log. */
  @WholeNumber({ min: 0, max: Number.MAX_SAFE_INTEGER })
  from = 0;

  /** Events of the later log. */
  @WholeNumber({ min: 0, max: Number.MAX_SAFE_INTEGER })
  to = 0;
}

export class EarlierCheckpoint {
  @IsIn(classes)
  class!: AuditClass;

  /** How many events it had. */
  @IsInt()
  @Min(0)
  @Max(Number.MAX_SAFE_INTEGER)
  size!: number;
}

/** Either ids, or what the trail can be asked for; what has not been sealed yet is left out of the latter. */
export class TakeEvidence extends OmitType(AuditFilter, ['limit', 'after'] as const) {
  /** These events. */
  @IsOptional()
  @IsArray()
  @ArrayNotEmpty()
  @ArrayMaxSize(MOST_EVENTS)
  @IsUUID('all', { each: true })
  ids?: string[];

  /** Prove too that these earlier checkpoints are the beginning of the log. */
  @IsOptional()
  @IsArray()
  @ArrayMaxSize(20)
  @IsObject({ each: true })
  @ValidateNested({ each: true })
  @Type(() => EarlierCheckpoint)
  consistentWith?: EarlierCheckpoint[];
}

export class CheckpointView {
  number!: number;
  size!: number;
  /** Base64. */
  root!: string;
  at!: string;
  /** The signed note (C2SP tlog-checkpoint). */
  note!: string;

  static of({ number, size, root, at, note }: StoredCheckpoint): CheckpointView {
    return { number, size, root: root.toString('base64'), at, note };
  }
}

export class CheckpointPage {
  items!: CheckpointView[];
  /** Where the next page begins; null on the last one. */
  next!: string | null;
}

export class ConsistencyView {
  class!: string;
  from!: number;
  to!: number;
  /** Hashes in base64 (RFC 6962 §2.1.2). */
  path!: string[];
}

export class AuditKeyView {
  /** Counted from 0. */
  ordinal!: number;
  /** Ed25519, base64. */
  publicKey!: string;
  /** The key's note, signed by itself and by the key before it. */
  note!: string;
  /** Whether the key before it signed the note too; null for the first. */
  vouchedFor!: boolean | null;
  /** The key for each log in the form other programs for signed notes take. */
  @ApiProperty({ type: 'array', items: { type: 'string' } })
  verifierKeys!: string[];

  static of({ ordinal, publicKey, note }: StoredKey, installation: string): AuditKeyView {
    return {
      ordinal,
      publicKey: publicKey.toString('base64'),
      note,
      vouchedFor: ordinal === 0 ? null : (readKeyNote(note, installation)?.vouched ?? false),
      verifierKeys: classes.map((name) => verifierKey(originOf(installation, name), publicKey)),
    };
  }
}

export class AuditKeyList {
  installation!: string;
  items!: AuditKeyView[];
}

export class ProvenEventView {
  /** The event's place in the log, counted from 0. */
  seq!: number;
  /** The event, to the byte: its hash is that of 0x00 and these characters in UTF-8. */
  payload!: string;
  /** Hashes in base64, from the leaf upwards (RFC 6962 §2.1.1). */
  path!: string[];

  static of({ seq, payload, path }: ProvenEvent): ProvenEventView {
    return { seq, payload, path: texts(path) };
  }
}

export class EventProofView {
  installation!: string;
  class!: string;
  event!: ProvenEventView;
  /** The signed note of a checkpoint that holds the event. */
  checkpoint!: string;
}

export class ConsistencyPathView {
  size!: number;
  path!: string[];
}

export class LogEvidenceView {
  class!: string;
  /** The signed note of a checkpoint that holds all of the events. */
  checkpoint!: string;
  events!: ProvenEventView[];
  consistency!: ConsistencyPathView[];
}

export class EvidenceKeyView {
  ordinal!: number;
  publicKey!: string;
  note!: string;
}

export class EvidenceView {
  @ApiProperty({ enum: ['cadastre-evidence/1'] })
  format!: 'cadastre-evidence/1';
  id!: string;
  installation!: string;
  takenAt!: string;
  logs!: LogEvidenceView[];
  keys!: EvidenceKeyView[];
  /** Archived months that may have more of what was to be found, and were left out; 0 for events that were named. */
  archivedMonths!: number;

  static of({ id, installation, takenAt, logs, keys, archivedMonths }: Evidence): EvidenceView {
    return {
      format: 'cadastre-evidence/1',
      id,
      installation,
      takenAt: takenAt.toISOString(),
      logs: logs.map(({ log, checkpoint, events, consistency }) => ({
        class: log,
        checkpoint: checkpoint.note,
        events: events.map((event) => ProvenEventView.of(event)),
        consistency: consistency.map(({ size, path }) => ({ size, path: texts(path) })),
      })),
      keys: keys.map(({ ordinal, publicKey, note }) => ({ ordinal, publicKey: publicKey.toString('base64'), note })),
      archivedMonths,
    };
  }
}

function texts(path: readonly Buffer[]): string[] {
  return path.map((hash) => hash.toString('base64'));
}
