const BROWSERS: [RegExp, string][] = [
  [/\bEdg(?:A|iOS)?\//, 'Edge'],
  [/\bOPR\//, 'Opera'],
  [/\bFirefox\/|\bFxiOS\//, 'Firefox'],
  [/\bChrom(?:e|ium)\/|\bCriOS\//, 'Chrome'],
  [/\bVersion\/.*\bSafari\//, 'Safari'],
  [/^curl\//, 'curl'],
];
const SYSTEMS: [RegExp, string][] = [
  [/\biPhone\b|\biPad\b/, 'iOS'],
  [/\bAndroid\b/, 'Android'],
  [/\bWindows\b/, 'Windows'],
  [/\bMac OS X\b|\bMacintosh\b/, 'macOS'],
  [/\bCrOS\b/, 'ChromeOS'],
  [/\bLinux\b/, 'Linux'],
];

/** What a person calls the device by: `Firefox on Linux`. A guess by what the client says of itself, which it may make up. */
export function deviceLabel(userAgent: string | null): string {
  if (userAgent === null || userAgent === '') return 'Unknown';
  const [browser, system] = [BROWSERS, SYSTEMS].map((list) => list.find(([form]) => form.test(userAgent))?.[1]);
  if (browser === undefined) return system ?? /^[\w.-]{1,40}/.exec(userAgent)?.[0] ?? 'Unknown';
  return system === undefined ? browser : `${browser} on ${system}`;
}
