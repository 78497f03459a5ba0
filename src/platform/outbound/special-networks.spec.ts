import fc from 'fast-check';
import { isAmong, parseIp } from '../../kernel/ip-address.js';
import { specialKind } from './special-networks.js';

const kindOf = (text: string): string | undefined => specialKind(parseIp(text)!);

describe('addresses that are not of the public Internet', () => {
  it.each([
    ['127.0.0.1', 'loopback'],
    ['127.255.255.254', 'loopback'],
    ['::1', 'loopback'],
    ['0.0.0.0', 'unspecified'],
    ['::', 'unspecified'],
    ['169.254.169.254', 'metadata'],
    ['100.100.100.200', 'metadata'],
    ['168.63.129.16', 'metadata'],
    ['fd00:ec2::254', 'metadata'],
    ['169.254.1.1', 'link-local'],
    ['fe80::1%eth0', 'link-local'],
    ['10.0.0.1', 'private'],
    ['172.31.255.255', 'private'],
    ['192.168.1.1', 'private'],
    ['fd12::1', 'private'],
    ['100.64.0.1', 'shared'],
    ['224.0.0.1', 'multicast'],
    ['ff02::1', 'multicast'],
    ['255.255.255.255', 'reserved'],
    ['192.0.2.1', 'reserved'],
    ['2001:db8::1', 'reserved'],
    ['::127.0.0.1', 'reserved'],
    ['2001::1', 'reserved'],
    ['::ffff:127.0.0.1', 'loopback'],
    ['::ffff:a9fe:a9fe', 'metadata'],
    ['64:ff9b::127.0.0.1', 'loopback'],
    ['64:ff9b::a00:1', 'private'],
    ['2002:7f00:1::', 'loopback'],
    ['2002:a9fe:a9fe::1', 'metadata'],
  ])('ASVS 1.3.6: %s is %s', (text, kind) => {
    expect(kindOf(text)).toBe(kind);
  });

  it.each(['1.1.1.1', '172.32.0.1', '100.128.0.1', '9.255.255.255', '2606:4700::1111', '64:ff9b::1.1.1.1', '2002:101:101::1'])(
    'ASVS 1.3.6: %s is of the public Internet',
    (text) => {
      expect(kindOf(text)).toBeUndefined();
    },
  );

  it('ASVS 1.3.6: an IPv4 address is judged the same in every form that leads to it', () => {
    fc.assert(
      fc.property(fc.ipV4(), (text) => {
        const { value } = parseIp(text)!;
        const high = (value >> 16n).toString(16);
        const low = (value & 0xffffn).toString(16);
        const kind = kindOf(text);
        expect([`::ffff:${text}`, `::ffff:${high}:${low}`, `64:ff9b::${text}`, `2002:${high}:${low}::1`].map(kindOf)).toEqual([
          kind,
          kind,
          kind,
          kind,
        ]);
      }),
    );
  });

  it('ASVS 1.3.6: a network that is allowed allows its addresses alone', () => {
    fc.assert(
      fc.property(fc.ipV4(), (text) => {
        expect(isAmong(parseIp(text)!, ['10.20.0.0/16', 'fd00::/8'])).toBe(text.startsWith('10.20.'));
      }),
    );
    expect(isAmong(parseIp('::ffff:10.20.1.1')!, ['10.20.0.0/16'])).toBe(true);
    expect(isAmong(parseIp('fd00::1')!, ['0.0.0.0/0'])).toBe(false);
  });
});
