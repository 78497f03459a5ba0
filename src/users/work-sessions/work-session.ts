export const MESSAGE_ROLES = ['user', 'assistant', 'system', 'tool'] as const;
export const EXECUTION_KINDS = ['query_agent', 'agent_execution'] as const;
export const ENTRY_KINDS = ['message', ...EXECUTION_KINDS] as const;
export type MessageRole = (typeof MESSAGE_ROLES)[number];
export type ExecutionKind = (typeof EXECUTION_KINDS)[number];
export type EntryKind = (typeof ENTRY_KINDS)[number];

/** One conversation of a tool or agent with the register, on somebody's behalf. Not a login. */
export interface WorkSession {
  id: string;
  userId: string;
  threadId: string;
  title: string;
  context: Record<string, unknown>;
  entries: number;
  version: number;
  createdAt: Date;
  updatedAt: Date;
  endedAt: Date | null;
}

export interface Entry {
  seq: number;
  kind: EntryKind;
  role: MessageRole | null;
  content: string | null;
  data: Record<string, unknown> | null;
  at: Date;
  by: string;
}
