import { SignInSettings } from '../../src/users/sessions/sign-in-settings.js';
import { type TestApp } from './test-app.js';

type Values = Partial<Pick<SignInSettings, keyof SignInSettings>>;

/** Makes these values hold in this application, as an administrator's would. */
export function tuneSignIn(t: TestApp, values: Values): void {
  const settings = t.app.get(SignInSettings);
  for (const [name, value] of Object.entries(values)) Object.defineProperty(settings, name, { value, configurable: true });
}

/** For tests that fail on purpose more often than people do. */
export function withoutThrottle(t: TestApp): void {
  tuneSignIn(t, { lockFailures: 1_000_000, nameFailures: 1_000_000, networkFailures: 1_000_000 });
}
