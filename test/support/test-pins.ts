/** Limits that no test meets by accident. */
const UNLIMITED = Object.fromEntries(
  [
    'adminPerMinute',
    'userPerMinute',
    'keyPerMinute',
    'publicKeyPerMinute',
    'publicKeyPerHour',
    'anonymousPerMinute',
    'searchPerMinute',
    'loginPerMinute',
    'signInStepPerMinute',
    'refreshPerMinute',
    'refusedPerMinute',
    'addressPerMinute',
  ].map((name) => [`limits.${name}`, 10_000_000]),
);

/** These variables with pinned settings of tests, which connect to servers of their own on this machine, over which their own go; null leaves a setting unpinned. */
export function withTestPins(variables: Record<string, string>): Record<string, string> {
  const own = JSON.parse(variables.CADASTRE_PINNED_SETTINGS ?? '{}') as Record<string, unknown>;
  const all: Record<string, unknown> = { ...UNLIMITED, 'outbound.allowedNetworks': ['127.0.0.0/8', '::1/128'], ...own };
  const pins = Object.entries(all).filter(([, value]) => value !== null);
  return { ...variables, CADASTRE_PINNED_SETTINGS: JSON.stringify(Object.fromEntries(pins)) };
}

/** Where a server of the test's own may be connected to is for the test to say. */
export const withoutPins = JSON.stringify({ 'outbound.allowedNetworks': null });

/** Limits as they are without a pin: they can be changed. */
export const realLimits = JSON.stringify(Object.fromEntries(Object.keys(UNLIMITED).map((key) => [key, null])));
