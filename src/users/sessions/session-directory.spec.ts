import { jest } from '@jest/globals';
import { CredentialChecks } from '../../platform/auth/credential-checks.js';
import { type UnitOfWork } from '../../platform/database/unit-of-work.js';
import { type Log } from '../../platform/logging/log.js';
import { SessionDirectory } from './session-directory.js';
import { type SignInSettings } from './sign-in-settings.js';

/** Answers each question when the test says so. */
class FakeDatabase {
  readonly asked: { answer: (permissions: string[]) => void; fail: () => void }[] = [];

  query(): Promise<unknown[]> {
    return new Promise((resolve, reject) => {
      this.asked.push({
        answer: (permissions) => {
          const assignments = [{ role: 'some', permissions, vrfIds: null, networks: null }];
          resolve([{ sessionId: 's', userId: 'u', username: 'ada', mustChangePassword: false, methods: ['pwd'], assignments }]);
        },
        fail: () => {
          reject(new Error('the connection is gone'));
        },
      });
    });
  }
}

describe('the session directory', () => {
  let database: FakeDatabase;
  let directory: SessionDirectory;
  const permissionsOf = async (sessionId = 's'): Promise<string[]> => [
    ...((await directory.principalOf(sessionId, 'u'))?.permissions ?? []),
  ];

  beforeEach(() => {
    database = new FakeDatabase();
    directory = new SessionDirectory(
      database as unknown as UnitOfWork,
      new CredentialChecks(),
      { idleSeconds: 1800, administratorIdleSeconds: 900 } as SignInSettings,
      undefined as unknown as Log,
    );
  });

  it('asks once for all who ask at the same time, and remembers the answer', async () => {
    const both = [permissionsOf(), permissionsOf()];
    database.asked[0]!.answer(['pool:read']);
    await expect(Promise.all([...both, permissionsOf()])).resolves.toEqual([['pool:read'], ['pool:read'], ['pool:read']]);
    expect(database.asked).toHaveLength(1);
  });

  it.each([
    [
      'the session',
      (): void => {
        directory.forgetSession('s');
      },
    ],
    [
      'the user',
      (): void => {
        directory.forgetUser('u');
      },
    ],
    [
      'everything',
      (): void => {
        directory.forgetAll();
      },
    ],
  ])('U5: does not keep an answer that was under way when %s was forgotten', async (_what, forget) => {
    const stale = permissionsOf();
    forget();
    database.asked[0]!.answer(['pool:write']);
    await stale;
    const fresh = permissionsOf();
    database.asked[1]!.answer(['pool:read']);
    await expect(fresh).resolves.toEqual(['pool:read']);
  });

  it('does not remember a failure', async () => {
    const failed = permissionsOf();
    database.asked[0]!.fail();
    await expect(failed).rejects.toThrow('the connection is gone');
    const next = permissionsOf();
    database.asked[1]!.answer([]);
    await expect(next).resolves.toEqual([]);
  });

  it('keeps ten thousand sessions at most, and drops the oldest first', async () => {
    // However slow the machine, what is remembered is not to grow stale meanwhile.
    const clock = jest.spyOn(performance, 'now').mockReturnValue(1);
    for (let i = 0; i <= 10_000; i++) {
      const asked = permissionsOf(`s${i}`);
      database.asked[i]!.answer([]);
      await asked;
    }
    await permissionsOf('s1');
    expect(database.asked).toHaveLength(10_001);
    void permissionsOf('s0');
    expect(database.asked).toHaveLength(10_002);
    clock.mockRestore();
  }, 20_000);
});
