import { firstNameOf, isBelow } from './ldap-entry.js';

describe('names of entries', () => {
  it.each([
    ['cn=netops,ou=groups,dc=net', 'netops'],
    ['CN=Smith\\, John,DC=net', 'Smith, John'],
    ['cn=a\\2cb,dc=net', 'a,b'],
    ['cn=M\\c3\\bcller,dc=net', 'Müller'],
    ['cn=a+ou=b,dc=net', 'a'],
    ['nonsense', ''],
  ])('U14: the first part of %s is %s', (dn, name) => {
    expect(firstNameOf(dn)).toBe(name);
  });

  it('U14: knows what is below a base, whatever the case and the spaces', () => {
    expect(isBelow('cn=a,OU=Groups, dc=net', 'ou=groups,dc=net')).toBe(true);
    expect(isBelow('cn=a,ou=othergroups,dc=net', 'ou=groups,dc=net')).toBe(false);
    expect(isBelow('ou=groups,dc=net', 'ou=groups,dc=net')).toBe(false);
  });
});
