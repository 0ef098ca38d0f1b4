import assert from 'node:assert/strict';
import { test } from 'node:test';
import { forgetSecrets, readSecrets } from '#agent/orders/secrets.ts';
import { knownError } from '#protocol/errors.ts';

const signal = new AbortController().signal;

test('secrets come in the order of the order, and nothing of them is left when they are forgotten', async () => {
  const link = { readSecret: async (_task: number, name: string) => Buffer.from(`passphrase of ${name}`) };
  assert.deepEqual(await readSecrets({ taskId: 1 }, link, signal), []);
  const keys = await readSecrets({ taskId: 1, luksSecrets: ['room', 'admin'] }, link, signal);
  assert.deepEqual(keys.map(String), ['passphrase of room', 'passphrase of admin']);
  forgetSecrets(keys);
  assert.ok(keys.every((key) => key.every((byte) => byte === 0)));
});

test('when one secret is refused, those that came before it are forgotten', async () => {
  const given = Buffer.from('passphrase');
  const readSecret = async (_task: number, name: string) => {
    if (name === 'room') return given;
    throw knownError('DENIED', { reason: 'your task names no such secret' });
  };
  await assert.rejects(
    readSecrets({ taskId: 1, luksSecrets: ['room', 'other'] }, { readSecret }, signal),
    /names no such/,
  );
  assert.deepEqual(given, Buffer.alloc(given.length));
});
