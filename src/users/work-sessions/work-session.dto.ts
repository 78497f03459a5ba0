import { IsBoolean, IsIn, IsInt, IsObject, IsOptional, IsString, Length, Matches, Max, MaxLength, Min, ValidateIf } from 'class-validator';
import { CursorPage, OffsetPage, ToBoolean } from '../../platform/http/paging.dto.js';
import { ENTRY_KINDS, EXECUTION_KINDS, type EntryKind, type ExecutionKind, MESSAGE_ROLES, type MessageRole } from './work-session.js';

const THREAD = /^[A-Za-z0-9._:-]{1,128}$/;

export class CreateWorkSession {
  /** The tool's own name for the thread, unique among your sessions; made when absent. */
  @ValidateIf((o: CreateWorkSession) => o.threadId !== undefined)
  @IsString()
  @Matches(THREAD, { message: 'must be 1 to 128 letters, digits, dots, underscores, colons or dashes' })
  threadId?: string;

  @IsString()
  @Length(1, 200)
  title!: string;

  /** Whatever the tool has to remember: a JSON object of at most 64 KiB. */
  @ValidateIf((o: CreateWorkSession) => o.context !== undefined)
  @IsObject()
  context?: Record<string, unknown>;
}

/** Absent fields stay as they are. */
export class PatchWorkSession {
  @ValidateIf((o: PatchWorkSession) => o.title !== undefined)
  @IsString()
  @Length(1, 200)
  title?: string;

  /** Takes the place of the whole context. */
  @ValidateIf((o: PatchWorkSession) => o.context !== undefined)
  @IsObject()
  context?: Record<string, unknown>;

  /** The version you read, for clients that cannot send If-Match: another one is answered 409. */
  @IsOptional()
  @IsInt()
  @Min(1)
  @Max(2_147_483_647)
  version?: number;
}

export class WorkSessionFilter extends OffsetPage {
  /** Those not ended, or those that are. */
  @IsOptional()
  @ToBoolean()
  @IsBoolean()
  active?: boolean;

  @IsOptional()
  @IsString()
  @MaxLength(128)
  threadId?: string;
}

export class WorkSessionView {
  id!: string;
  threadId!: string;
  title!: string;
  context!: Record<string, unknown>;
  active!: boolean;
  /** Messages and executions so far. */
  entries!: number;
  version!: number;
  createdAt!: string;
  updatedAt!: string;
  endedAt!: string | null;
}

export class WorkSessionPage {
  items!: WorkSessionView[];
  total!: number;
}

export class AppendMessage {
  @IsIn(MESSAGE_ROLES)
  role!: MessageRole;

  @IsString()
  @Length(1, 65_536)
  content!: string;
}

export class RecordExecution {
  /** `query_agent`: an agent was asked. `agent_execution`: it did something. */
  @IsIn(EXECUTION_KINDS)
  kind!: ExecutionKind;

  /** @example 'address-planner' */
  @IsString()
  @Length(1, 100)
  agent!: string;

  /** What was asked or done. */
  @IsString()
  @Length(1, 2000)
  summary!: string;

  @IsIn(['success', 'failure'])
  outcome!: 'success' | 'failure';

  @IsOptional()
  @IsInt()
  @Min(0)
  @Max(86_400_000)
  durationMs?: number;

  /** Further figures: a JSON object of at most 16 KiB. */
  @ValidateIf((o: RecordExecution) => o.detail !== undefined)
  @IsObject()
  detail?: Record<string, unknown>;
}

export class EntryFilter extends CursorPage {
  @IsOptional()
  @IsIn(ENTRY_KINDS)
  kind?: EntryKind;
}

export class WorkSessionEntryView {
  /** 1, 2, 3 … in the order of their coming. */
  seq!: number;
  /** @example 'message' */
  kind!: string;
  role!: string | null;
  content!: string | null;
  /** Of executions: agent, summary, outcome, durationMs, detail. */
  data!: Record<string, unknown> | null;
  at!: string;
  by!: string;
}

export class WorkSessionEntryPage {
  items!: WorkSessionEntryView[];
  next!: string | null;
}
