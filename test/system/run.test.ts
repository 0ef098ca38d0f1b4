import assert from 'node:assert/strict';
import { test } from 'node:test';
import { howEnded, run } from '#system/run.ts';

const failureOf = (argv: readonly string[], limitMs = 60_000): Promise<unknown> =>
  run(argv, { limitMs }).then(
    () => assert.fail('it succeeded'),
    (error: unknown) => error,
  );

test('a program that was ended from outside is told from one that failed by itself', async () => {
  assert.equal(howEnded(await failureOf(['false'])), undefined);
  assert.equal(howEnded(await failureOf(['sleep', '600'], 50)), 'it took too long');
  assert.equal(howEnded(await failureOf(['sh', '-c', 'kill -9 $$'])), 'signal SIGKILL');
  assert.equal(howEnded(await failureOf(['no-such-program'])), undefined);
});
