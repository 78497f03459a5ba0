import { Injectable } from '@nestjs/common';
import { AppConfig } from '../../config/app-config.js';
import { type Json } from '../../kernel/canonical-json.js';
import { parseNetwork } from '../../kernel/ip-address.js';
import { defineSetting, type Fault, type Setting } from '../../platform/settings/setting.js';
import { Settings } from '../../platform/settings/settings.js';

type Unit = 'characters' | 'attempts' | 'sessions' | 'seconds' | 'days';

const MOST_ITEMS = 100;

const number = (key: string, unit: Unit, [min, standard, max]: readonly [number, number, number], text: string): Setting<number> =>
  defineSetting({ key, type: 'integer', default: standard, min, max, unit, text });
const list = (key: string, text: string, is: (item: string) => boolean = () => true): Setting<string[]> =>
  defineSetting<string[]>({ key, type: 'json', default: [], text, validate: (value) => listFault(value, is) });
const isNetwork = (item: string): boolean => parseNetwork(item) !== undefined;

function listFault(value: Json, is: (item: string) => boolean): Fault | undefined {
  if (!Array.isArray(value) || value.length > MOST_ITEMS) return { pointer: '', detail: `must be a list of at most ${MOST_ITEMS} texts` };
  const wrong = value.findIndex((item) => typeof item !== 'string' || item.length > 200 || !is(item));
  return wrong === -1 ? undefined : { pointer: `/${wrong}`, detail: 'is not of the form this list holds' };
}

/** Everything about signing in that an administrator may tune, with what holds when nobody does. */
export const signInSettings = {
  passwordShortest: number('password.shortest', 'characters', [15, 15, 64], 'Least length of a password.'),
  passwordContextWords: list('password.contextWords', 'Words no password may hold, such as the name of the organisation.'),
  resetSeconds: number('password.resetSeconds', 'seconds', [300, 3600, 86_400], 'How long a reset link is good.'),
  lockFailures: number('login.lockFailures', 'attempts', [3, 5, 100], 'Failures of a name from one network before that pair is locked.'),
  lockSeconds: number('login.lockSeconds', 'seconds', [60, 1800, 86_400], 'How long the first lock lasts; each further one twice as long.'),
  lockSecondsMost: number('login.lockSecondsMost', 'seconds', [60, 86_400, 604_800], 'The longest lock.'),
  nameFailures: number(
    'login.nameFailures',
    'attempts',
    [5, 20, 1000],
    'Failures of a name in an hour, from everywhere, before it is slowed.',
  ),
  nameDelaySecondsMost: number('login.nameDelaySecondsMost', 'seconds', [1, 60, 900], 'The longest a name is slowed between two attempts.'),
  knownDays: number('login.knownDays', 'days', [1, 30, 365], 'How long a network is known in which a name signed in.'),
  networkFailures: number(
    'login.networkFailures',
    'attempts',
    [10, 100, 1_000_000],
    'Failures in a network in 15 minutes, under whatever names.',
  ),
  administratorNetworks: list('login.administratorNetworks', 'CIDRs that administrators may sign in from; empty is anywhere.', isNetwork),
  administratorNetworksDenied: list('login.administratorNetworksDenied', 'CIDRs that administrators may never sign in from.', isNetwork),
  ticketSeconds: number('login.ticketSeconds', 'seconds', [60, 300, 900], 'How long a sign-in waits for its second factor.'),
  passkeyOrigins: list(
    'login.passkeyOrigins',
    'Origins whose passkeys are taken; empty is this machine alone.',
    (item) => URL.canParse(item) && new URL(item).origin === item,
  ),
  passkeyDomain: defineSetting({
    key: 'login.passkeyDomain',
    type: 'string',
    default: '',
    maxLength: 253,
    text: 'Domain passkeys belong to; empty is that of the first origin.',
  }),
  proofSeconds: number('session.proofSeconds', 'seconds', [60, 600, 3600], 'How recent a proof of identity the delicate routes ask for.'),
  idleSeconds: number('session.idleSeconds', 'seconds', [60, 1800, 86_400], 'How long a session may lie idle.'),
  administratorIdleSeconds: number(
    'session.administratorIdleSeconds',
    'seconds',
    [60, 900, 86_400],
    'How long an administrator’s session may lie idle.',
  ),
  sessionsMost: number('session.most', 'sessions', [1, 10, 1000], 'Sessions a user may have at once.'),
  administratorSessionsMost: number('session.administratorMost', 'sessions', [1, 3, 1000], 'Sessions an administrator may have at once.'),
  keptDays: number('session.keptDays', 'days', [1, 90, 3650], 'How long ended sessions are kept.'),
} as const;

/** The values in force. */
@Injectable()
export class SignInSettings {
  constructor(
    private readonly settings: Settings,
    private readonly config: AppConfig,
  ) {}

  get passwordShortest(): number {
    return this.settings.get(signInSettings.passwordShortest);
  }

  get passwordContextWords(): readonly string[] {
    return this.settings.get(signInSettings.passwordContextWords);
  }

  get resetSeconds(): number {
    return this.settings.get(signInSettings.resetSeconds);
  }

  get lockFailures(): number {
    return this.settings.get(signInSettings.lockFailures);
  }

  get lockSeconds(): number {
    return this.settings.get(signInSettings.lockSeconds);
  }

  get lockSecondsMost(): number {
    return this.settings.get(signInSettings.lockSecondsMost);
  }

  get nameFailures(): number {
    return this.settings.get(signInSettings.nameFailures);
  }

  get nameDelaySecondsMost(): number {
    return this.settings.get(signInSettings.nameDelaySecondsMost);
  }

  get knownDays(): number {
    return this.settings.get(signInSettings.knownDays);
  }

  get networkFailures(): number {
    return this.settings.get(signInSettings.networkFailures);
  }

  get administratorNetworks(): readonly string[] {
    return this.settings.get(signInSettings.administratorNetworks);
  }

  get administratorNetworksDenied(): readonly string[] {
    return this.settings.get(signInSettings.administratorNetworksDenied);
  }

  get ticketSeconds(): number {
    return this.settings.get(signInSettings.ticketSeconds);
  }

  get passkeyOrigins(): readonly string[] {
    return this.settings.get(signInSettings.passkeyOrigins);
  }

  get passkeyDomain(): string {
    return this.settings.get(signInSettings.passkeyDomain);
  }

  get proofSeconds(): number {
    return this.settings.get(signInSettings.proofSeconds);
  }

  get idleSeconds(): number {
    return this.settings.get(signInSettings.idleSeconds);
  }

  get administratorIdleSeconds(): number {
    return this.settings.get(signInSettings.administratorIdleSeconds);
  }

  get sessionsMost(): number {
    return this.settings.get(signInSettings.sessionsMost);
  }

  get administratorSessionsMost(): number {
    return this.settings.get(signInSettings.administratorSessionsMost);
  }

  get absoluteSeconds(): number {
    return this.config.auth.sessionSeconds;
  }
}
