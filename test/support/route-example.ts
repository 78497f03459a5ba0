import { type Agent } from 'supertest';
import { type AuditCategory } from '../../src/audit/trail/audit-event.js';
import { type Builders } from './builders.js';
import { type TestUser } from './sign-in.js';

/** A call of a route, on things made for it. */
export interface ExampleCall {
  path: string;
  body?: Record<string, unknown> | undefined;
  headers?: Record<string, string>;
  /** Sent as multipart/form-data in place of a body: the text of each file. */
  files?: Record<string, string>;
  /** Who calls; a superuser unless said. `kind` is what the trail calls them: a user unless said. */
  by?: { agent: Agent; user: TestUser; kind?: string } | undefined;
  /** Sent as a form in place of a body. */
  form?: Record<string, string>;
}

/** An event that a change leaves. */
export interface Trace {
  action: string;
  category: AuditCategory;
  /** The resource's type. */
  on: string;
  /** What it keeps of the row. */
  keeps: 'after' | 'before' | 'changes' | 'nothing';
  /** `success` unless said; `unknown` for what is left when something begins. */
  outcome?: 'unknown';
}

export interface RouteExample {
  /** Anyone may call it: nobody is denied. */
  public?: true;
  works: (make: Builders) => Promise<ExampleCall>;
  /** In order; one for each object that changes. */
  leaves: Trace[];
  /** The same call, so that it is refused; or why this route has no 409 and no 412. */
  fails: { status: 409 | 412; call: (make: Builders) => Promise<ExampleCall> } | string;
}
