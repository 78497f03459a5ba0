import { type MemberRole } from './project.dto.js';

/** A project with who and what belongs to it. */
export interface Project {
  id: string;
  name: string;
  description: string;
  archivedAt: Date | null;
  members: { userId: string; username: string; role: MemberRole }[];
  poolIds: string[];
  version: number;
  createdAt: Date;
  createdBy: string;
  updatedAt: Date;
}

export interface ProjectQuery {
  q?: string;
  archived?: boolean;
  limit: number;
  offset: number;
}
