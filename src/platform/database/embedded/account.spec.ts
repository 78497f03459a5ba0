import { chooseAccount, parsePasswd } from './account.js';
import { mayEnter } from './folder.js';

const passwd = parsePasswd(
  [
    'root:x:0:0:root:/root:/bin/bash',
    '# a comment',
    'alice:x:1000:1000::/home/alice:/bin/sh',
    'postgres:x:101:104::/:/bin/sh',
    'nobody:*:-2:-2::/:/bin/false',
    '',
  ].join('\n'),
);
const without = (name: string): typeof passwd => passwd.filter((account) => account.name !== name);

describe('the account root hands the server to', () => {
  it('is the owner of the cluster, then of its folder, then postgres, then nobody', () => {
    expect(chooseAccount(passwd, { uid: 1000, gid: 1000 }, { uid: 101, gid: 104 })?.name).toBe('alice');
    expect(chooseAccount(passwd, undefined, { uid: 1000, gid: 1000 })?.name).toBe('alice');
    expect(chooseAccount(passwd)?.name).toBe('postgres');
    expect(chooseAccount(without('postgres'))).toEqual({ name: 'nobody', uid: 4294967294, gid: 4294967294 });
  });

  it('is never root, even where root owns the folder', () => {
    expect(chooseAccount(passwd, { uid: 0, gid: 0 }, { uid: 0, gid: 0 })?.name).toBe('postgres');
    expect(chooseAccount([{ name: 'postgres', uid: 0, gid: 0 }])).toBeUndefined();
  });

  it('may be a number without a name when it owns a cluster already, but not when initdb has yet to look it up', () => {
    expect(chooseAccount(passwd, { uid: 4242, gid: 7 })).toEqual({ name: 'uid 4242', uid: 4242, gid: 7 });
    expect(chooseAccount(passwd, undefined, { uid: 4242, gid: 7 })?.name).toBe('postgres');
  });
});

describe('passing a folder', () => {
  const alice = { name: 'alice', uid: 1000, gid: 1000 };

  it.each([
    [{ uid: 0, gid: 0, mode: 0o755 }, true],
    [{ uid: 0, gid: 0, mode: 0o700 }, false],
    [{ uid: 0, gid: 1000, mode: 0o710 }, true],
    [{ uid: 1000, gid: 0, mode: 0o100 }, true],
    // The first class that fits decides, as in the kernel: a closed owner is not helped by an open world.
    [{ uid: 1000, gid: 0, mode: 0o077 }, false],
    [{ uid: 0, gid: 1000, mode: 0o701 }, false],
  ])('%j: %s', (folder, expected) => {
    expect(mayEnter(folder, alice)).toBe(expected);
  });
});
