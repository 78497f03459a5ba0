import { defineSetting, type Setting } from '../../platform/settings/setting.js';
import { type ReadKind } from '../catalogue/read-routes.js';

/** `durable`: in the database, or in the spool when that is away, before the answer is sent. `batched`: within a moment after it. */
const readPolicies = ['off', 'batched', 'durable'] as const;
export type ReadPolicy = (typeof readPolicies)[number];

const policy = (kind: ReadKind, standard: ReadPolicy, what: string): Setting<ReadPolicy> =>
  defineSetting<ReadPolicy>({
    key: `audit.reads.${kind}`,
    type: 'string',
    default: standard,
    enum: readPolicies,
    text: `How reads of ${what} are kept in the trail: not at all, soon after the answer, or before it.`,
  });

export const readSettings: Record<ReadKind, Setting<ReadPolicy>> = {
  people: policy('people', 'durable', 'accounts, groups, invitations, projects and work sessions'),
  access: policy('access', 'durable', 'roles, logins, keys, identity providers, security events and settings'),
  network: policy('network', 'off', 'the address space'),
  exports: policy('exports', 'durable', 'files with many rows of it'),
};

export const clockStepSeconds = defineSetting({
  key: 'audit.clockStepSeconds',
  type: 'integer',
  default: 5,
  min: 1,
  max: 3600,
  unit: 'seconds',
  text: 'How far the clock may step against the time that has passed before the trail says so.',
});
