/** What a user agent says it is; null where it does not say, or says something else than these tables know. */
export interface Device {
  kind: 'browser' | 'bot' | 'script' | null;
  /** The family: of a browser, a tool or a library. */
  client: string | null;
  os: string | null;
}

type Family = readonly [pattern: RegExp, name: string];

const BOTS: readonly Family[] = [
  [/Googlebot/i, 'Googlebot'],
  [/bingbot/i, 'Bingbot'],
  [/UptimeRobot/i, 'UptimeRobot'],
  [/kube-probe/i, 'kube-probe'],
  [/Prometheus\//i, 'Prometheus'],
  [/Blackbox Exporter/i, 'Blackbox Exporter'],
  [/\b\w*(?:bot|crawler|spider)\b/i, 'bot'],
];
const SCRIPTS: readonly Family[] = [
  [/^curl\//i, 'curl'],
  [/^Wget\//i, 'Wget'],
  [/^python-requests\//i, 'python-requests'],
  [/^python-httpx\//i, 'python-httpx'],
  [/^Python-urllib\//i, 'Python-urllib'],
  [/^Python\/.*aiohttp\//i, 'aiohttp'],
  [/Terraform\//i, 'Terraform'],
  [/^ansible-httpget/i, 'Ansible'],
  [/^Go-http-client\//i, 'Go-http-client'],
  [/^okhttp\//i, 'OkHttp'],
  [/^Apache-HttpClient\//i, 'Apache-HttpClient'],
  [/^Java\//i, 'Java'],
  [/^axios\//i, 'axios'],
  [/^(?:node|undici|node-fetch)\b/i, 'Node.js'],
  [/^PostmanRuntime\//i, 'Postman'],
  [/^insomnia\//i, 'Insomnia'],
  [/PowerShell\//i, 'PowerShell'],
  [/^HTTPie\//i, 'HTTPie'],
];
/** Those that call themselves by the names of others come before these. */
const BROWSERS: readonly Family[] = [
  [/\bEdg(?:e|A|iOS)?\//, 'Edge'],
  [/\bOPR\/|\bOpera\b/, 'Opera'],
  [/\bSamsungBrowser\//, 'Samsung Internet'],
  [/\bVivaldi\//, 'Vivaldi'],
  [/\b(?:Firefox|FxiOS)\//, 'Firefox'],
  [/\b(?:Chrome|CriOS|Chromium)\//, 'Chrome'],
  [/\bVersion\/[\d.]+.*\bSafari\//, 'Safari'],
  [/\bMSIE |\bTrident\//, 'Internet Explorer'],
];
const SYSTEMS: readonly Family[] = [
  [/\bWindows\b/, 'Windows'],
  [/\bAndroid\b/, 'Android'],
  [/\b(?:iPhone|iPad|iPod)\b/, 'iOS'],
  [/\bMac OS X\b|\bMacintosh\b|\bDarwin\//, 'macOS'],
  [/\bCrOS\b/, 'ChromeOS'],
  [/\bLinux\b/i, 'Linux'],
];

const MOST_KNOWN = 500;
const known = new Map<string, Device>();

/** Undefined without a user agent. It is what the caller chose to say, never proof. */
export function deviceOf(userAgent: string | undefined): Device | undefined {
  if (userAgent === undefined || userAgent === '') return undefined;
  let device = known.get(userAgent);
  if (!device) {
    device = looked(userAgent);
    // Few say most; whoever says something else every time must not fill the memory.
    if (known.size >= MOST_KNOWN) known.clear();
    known.set(userAgent, device);
  }
  return device;
}

function looked(userAgent: string): Device {
  const among = (families: readonly Family[]): string | null => families.find(([pattern]) => pattern.test(userAgent))?.[1] ?? null;
  const os = among(SYSTEMS);
  const bot = among(BOTS);
  if (bot !== null) return { kind: 'bot', client: bot, os };
  const script = among(SCRIPTS);
  if (script !== null) return { kind: 'script', client: script, os };
  const browser = among(BROWSERS);
  return { kind: browser === null ? null : 'browser', client: browser, os };
}
