import { type LimitClass } from '../context/request-context.js';
import { defineSetting, type Setting } from '../settings/setting.js';

export type Budget = LimitClass | 'search' | 'login';

const perMinute = (name: string, standard: number, text: string): Setting<number> =>
  defineSetting({ key: `limits.${name}PerMinute`, type: 'integer', default: standard, min: 1, max: 10_000_000, unit: 'requests', text });

/** How much each budget allows in a window. */
export const quotas: Record<Budget, Setting<number>> = {
  admin: perMinute('admin', 1000, 'Requests of an administrator.'),
  user: perMinute('user', 100, 'Requests of anybody else who is signed in.'),
  key: perMinute('key', 600, 'Requests with one API key.'),
  public_key: perMinute('publicKey', 20, 'Requests with one public API key.'),
  anonymous: perMinute(
    'anonymous',
    20,
    'Requests without credentials, or with refused ones, from one address; an IPv6 address counts as its /64.',
  ),
  search: perMinute('search', 60, 'Searches of one caller, beside its other requests; never more than those.'),
  login: perMinute('login', 30, 'Logins tried from one address; an IPv6 address counts as its /64.'),
};

export const WINDOW_SECONDS = 60;
