import { failureKind } from './server-process.js';

describe('why a start failed', () => {
  it.each([
    ['LOG:  could not bind IPv4 address "127.0.0.1": Address already in use\nFATAL:  could not create any TCP/IP sockets', 'port-taken'],
    ['FATAL:  pre-existing shared memory block (key 1, ID 2) is still in use', 'memory-in-use'],
    ['PANIC:  could not write to file "pg_wal/xlogtemp.1": No space left on device', 'disk-full'],
    ['FATAL:  could not extend file "base/1/2691": wrote only 4096 of 8192 bytes\nHINT:  Check free disk space.', 'disk-full'],
    ['FATAL:  unrecognized configuration parameter "colour"', 'other'],
    ['', 'other'],
  ])('%j: %s', (log, kind) => {
    expect(failureKind(log)).toBe(kind);
  });
});
