import { formatCidr, formatIp } from './ip.js';
import { parseMac } from './mac.js';
import { readQuery } from './search-query.js';

function shown(query: string): string {
  const reading = readQuery(query);
  switch (reading.kind) {
    case 'address':
      return `address ${formatIp(reading.ip)}`;
    case 'network':
      return `network ${formatCidr(reading.cidr)}`;
    case 'mac':
      return `mac ${reading.mac}`;
    case 'text':
      return `text ${reading.text}`;
  }
}

describe('search queries', () => {
  it.each([
    ['10.1.2.3', 'address 10.1.2.3'],
    [' 2001:DB8::1 ', 'address 2001:db8::1'],
    ['10.1.0.0/16', 'network 10.1.0.0/16'],
    ['10.1.2.3/16', 'network 10.1.0.0/16'],
    ['10.', 'network 10.0.0.0/8'],
    ['10.1.', 'network 10.1.0.0/16'],
    ['10.1.2.', 'network 10.1.2.0/24'],
    ['2001:db8:', 'network 2001:db8::/32'],
    ['1:2:3:4:5:6:7:', 'network 1:2:3:4:5:6:7:0/112'],
    ['AA-BB-CC-DD-EE-FF', 'mac aa:bb:cc:dd:ee:ff'],
    ['aabb.ccdd.eeff', 'mac aa:bb:cc:dd:ee:ff'],
    ['aabbccddeeff', 'mac aa:bb:cc:dd:ee:ff'],
    ['Web01.Example', 'text web01.example'],
    ['10.1', 'text 10.1'],
    ['300.1.', 'text 300.1.'],
  ])('I12: reads %s as %s', (query, reading) => {
    expect(shown(query)).toBe(reading);
  });

  it('I12: knows a MAC by its form, not by its letters', () => {
    expect(parseMac('aa:bb-cc:dd:ee:ff')).toBeUndefined();
    expect(parseMac('aa:bb:cc:dd:ee')).toBeUndefined();
    expect(parseMac('gg:bb:cc:dd:ee:ff')).toBeUndefined();
  });
});
