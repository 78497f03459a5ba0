import fc from 'fast-check';
import { differencesOf } from './ldif-differences.js';
import { entryOfPerson, type LdifPerson } from './ldif-people.js';
import { formatEntry, parseLdif } from './ldif.js';

describe('LDIF', () => {
  it('U17: whatever is written is read back, in lines of 76 characters of ASCII', () => {
    const name = fc.constantFrom('cn', 'description', 'mail', 'userCertificate;binary');
    const value = fc.string({ unit: 'binary', minLength: 1, maxLength: 300 }).filter((text) => text.isWellFormed());
    fc.assert(
      fc.property(fc.array(fc.tuple(name, value), { maxLength: 8 }), value, (attributes, dn) => {
        const text = formatEntry(dn, attributes);
        expect(text.split('\n').filter((line) => line.length > 76 || !/^[\t\x20-\x7e]*$/.test(line))).toEqual([]);
        const { entries, problems } = parseLdif(`version: 1\n\n${text}`);
        expect(problems).toEqual([]);
        expect(entries.map(({ dn: read, attributes: all }) => [read, all.map((one) => [one.name, one.value])])).toEqual([[dn, attributes]]);
      }),
    );
  });

  it('U17: reads the forms of RFC 2849: folded lines, base64, comments, versions, carriage returns', () => {
    const text = [
      'version: 1',
      '# a comment',
      '  that goes on',
      'dn: cn=Barbara Jensen, ou=Product Development, dc=ai',
      ' rius, dc=com',
      'objectclass: person',
      'cn:Barbara',
      'description:: V2hhdCBhIGNhcmVmdWwgcmVhZGVyIHlvdSBhcmUh',
      'jpegphoto:: /9j/4AAQ',
      '',
      '',
      'dn:: b3U9w7YsZGM9bmV0',
      'ou;lang-de: ö',
    ].join('\r\n');
    const { entries, problems } = parseLdif(text);
    expect(problems).toEqual([]);
    expect(entries).toEqual([
      {
        dn: 'cn=Barbara Jensen, ou=Product Development, dc=airius, dc=com',
        line: 4,
        attributes: [
          { name: 'objectclass', value: 'person' },
          { name: 'cn', value: 'Barbara' },
          { name: 'description', value: 'What a careful reader you are!' },
          { name: 'jpegphoto', value: Buffer.from('/9j/4AAQ', 'base64') },
        ],
      },
      { dn: 'ou=ö,dc=net', line: 12, attributes: [{ name: 'ou;lang-de', value: 'ö' }] },
    ]);
  });

  it.each([
    ['a change', 'dn: cn=a\nchangetype: delete\n', 2],
    ['a value by URL, which is never fetched', 'dn: cn=a\njpegphoto:< file:///etc/passwd\n', 2],
    ['no dn', 'cn: a\n', 1],
    ['no base64', 'dn: cn=a\ncn:: !\n', 2],
    ['no attribute', 'dn: cn=a\nwhat is this\n', 2],
    ['another version', 'version: 2\ndn: cn=a\n', 1],
  ])('U17: names the line of %s and goes on with the next entry', (_what, text, line) => {
    const { entries, problems } = parseLdif(`${text}\ndn: cn=next\ncn: next\n`);
    expect(problems.map((problem) => problem.line)).toEqual([line]);
    expect(entries.map(({ dn }) => dn)).toEqual(['cn=next']);
  });

  it('U17: bears any text', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 400 }), (text) => {
        expect(() => parseLdif(text)).not.toThrow();
      }),
    );
  });
});

describe('differences', () => {
  const ada: LdifPerson = {
    username: 'ada',
    displayName: 'Ada Lovelace',
    email: 'ada@example.net',
    active: true,
    posix: { uidNumber: 4711, gidNumber: 100, loginShell: '/bin/zsh' },
  };
  const bob: LdifPerson = { ...ada, username: 'bob', displayName: '', email: null, posix: null };

  it('U17: an export compared with its source differs in nothing', () => {
    const { entries } = parseLdif([ada, bob].map((person) => entryOfPerson(person, 'ou=people,dc=net')).join(''));
    expect(differencesOf(entries, [ada, bob])).toEqual({ missing: [], changed: [], unchanged: 2, extra: [], problems: [] });
  });

  it('U17: lists who is missing, who differs in what, and who is here alone', () => {
    const file = [
      { ...ada, displayName: 'Ada King', posix: { uidNumber: 4712, gidNumber: 100 } },
      { ...bob, username: 'new' },
    ];
    const { entries } = parseLdif(file.map((person) => entryOfPerson(person, 'ou=people,dc=net')).join(''));
    expect(differencesOf(entries, [ada, bob])).toEqual({
      missing: [{ username: 'new', line: expect.any(Number) as number }],
      changed: [
        {
          username: 'ada',
          line: 1,
          changes: [
            { field: 'displayName', before: 'Ada Lovelace', after: 'Ada King' },
            { field: 'uidNumber', before: '4711', after: '4712' },
          ],
        },
      ],
      unchanged: 0,
      extra: ['bob'],
      problems: [],
    });
  });
});
