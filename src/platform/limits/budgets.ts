import { type LimitClass } from '../context/request-context.js';
import { defineSetting, type Setting } from '../settings/setting.js';

export type Budget = LimitClass | 'public_key_hour' | 'search' | 'login' | 'sign_in_step' | 'refresh' | 'refused' | 'address';

export interface Quota {
  /** Calls allowed in a window. */
  calls: Setting<number>;
  /** How long the window is. */
  seconds: number;
}

export const MINUTE = 60;
export const HOUR = 3600;

const calls = (name: string, standard: number, text: string): Setting<number> =>
  defineSetting({ key: `limits.${name}`, type: 'integer', default: standard, min: 1, max: 10_000_000, unit: 'requests', text });

const perMinute = (name: string, standard: number, text: string): Quota => ({
  calls: calls(`${name}PerMinute`, standard, text),
  seconds: MINUTE,
});

/** How much each budget allows, and in what time. */
export const quotas: Record<Budget, Quota> = {
  admin: perMinute('admin', 1000, 'Requests of an administrator.'),
  user: perMinute('user', 100, 'Requests of anybody else who is signed in.'),
  key: perMinute('key', 600, 'Requests with one API key.'),
  public_key: perMinute('publicKey', 20, 'Requests with one public API key.'),
  public_key_hour: {
    calls: calls('publicKeyPerHour', 100, 'Requests with one public API key in an hour, searches among them.'),
    seconds: HOUR,
  },
  anonymous: perMinute('anonymous', 20, 'Requests without credentials from one address; an IPv6 address counts as its /64.'),
  search: perMinute('search', 60, 'Searches of one caller, beside its other requests; never more than those.'),
  login: perMinute('login', 30, 'Logins tried from one address; an IPv6 address counts as its /64.'),
  sign_in_step: perMinute(
    'signInStep',
    120,
    'From one address, the steps beside the login itself: second factors, challenges of passkeys, the ways to identity providers and back.',
  ),
  address: perMinute(
    'address',
    20_000,
    'Requests of any kind from one address at one instance, a stop for floods; an IPv6 address counts as its /64.',
  ),
  refused: perMinute(
    'refused',
    600,
    'Requests with credentials that are refused, such as tokens that have expired, from one address; an IPv6 address counts as its /64.',
  ),
  refresh: perMinute('refresh', 600, 'Tokens refreshed from one address; an IPv6 address counts as its /64.'),
};
