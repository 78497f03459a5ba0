import { deviceOf } from './device.js';

const CASES: readonly (readonly [userAgent: string, kind: string | null, client: string | null, os: string | null])[] = [
  [
    'Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36',
    'browser',
    'Chrome',
    'Windows',
  ],
  [
    'Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36 Edg/131.0.0.0',
    'browser',
    'Edge',
    'Windows',
  ],
  ['Mozilla/5.0 (X11; Linux x86_64; rv:132.0) Gecko/20100101 Firefox/132.0', 'browser', 'Firefox', 'Linux'],
  [
    'Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.6 Safari/605.1.15',
    'browser',
    'Safari',
    'macOS',
  ],
  [
    'Mozilla/5.0 (iPhone; CPU iPhone OS 17_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.6 Mobile/15E148 Safari/604.1',
    'browser',
    'Safari',
    'iOS',
  ],
  [
    'Mozilla/5.0 (Linux; Android 14; SM-S918B) AppleWebKit/537.36 (KHTML, like Gecko) SamsungBrowser/25.0 Chrome/121.0.0.0 Mobile Safari/537.36',
    'browser',
    'Samsung Internet',
    'Android',
  ],
  [
    'Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0.0.0 Safari/537.36 OPR/115.0.0.0',
    'browser',
    'Opera',
    'Windows',
  ],
  [
    'Mozilla/5.0 (X11; CrOS x86_64 14541.0.0) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36',
    'browser',
    'Chrome',
    'ChromeOS',
  ],
  ['Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)', 'bot', 'Googlebot', null],
  ['kube-probe/1.31', 'bot', 'kube-probe', null],
  ['Prometheus/2.55.0', 'bot', 'Prometheus', null],
  ['curl/8.10.1', 'script', 'curl', null],
  ['python-requests/2.32.3', 'script', 'python-requests', null],
  ['HashiCorp Terraform/1.9.8 (+https://www.terraform.io)', 'script', 'Terraform', null],
  ['Mozilla/5.0 (Windows NT; Windows NT 10.0; de-CH) WindowsPowerShell/5.1.22621.4391', 'script', 'PowerShell', 'Windows'],
  ['Go-http-client/2.0', 'script', 'Go-http-client', null],
  ['node', 'script', 'Node.js', null],
  ['Wget/1.21.4 (linux-gnu)', 'script', 'Wget', 'Linux'],
  ['something of our own', null, null, null],
];

describe('what a user agent says it is', () => {
  it.each(CASES)('A17: %s', (userAgent, kind, client, os) => {
    expect(deviceOf(userAgent)).toEqual({ kind, client, os });
  });

  it('A17: says nothing without one', () => {
    expect([deviceOf(undefined), deviceOf('')]).toEqual([undefined, undefined]);
  });
});
