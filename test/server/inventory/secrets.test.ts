import assert from 'node:assert/strict';
import { readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { type ErrorCode, KnownError } from '#protocol/errors.ts';
import { MAX_SECRET_BYTES } from '#protocol/secret.ts';
import { Secrets } from '#server/inventory/secrets.ts';
import { makeInventory } from '../inventory-fixture.ts';

const isError = (code: ErrorCode) => (error: unknown) => error instanceof KnownError && error.code === code;
const PASSPHRASE = 'open sesame';

function make(t: TestContext) {
  const inventory = makeInventory();
  t.after(() => rmSync(inventory.secretsDir, { recursive: true, force: true }));
  const add = (name: string, bytes: string | Buffer = PASSPHRASE) =>
    inventory.secrets.add({ name, content: Buffer.from(bytes).toString('base64') });
  return { ...inventory, add };
}

test('a secret is a file that only the daemon may read, and in no event or answer', async (t) => {
  const { secrets, secretsDir, events, add } = make(t);
  const answer = await add('room-101');
  assert.equal((await secrets.read('room-101')).toString(), PASSPHRASE);
  assert.equal(statSync(secretsDir).mode & 0o777, 0o700);
  assert.equal(statSync(join(secretsDir, 'room-101')).mode & 0o777, 0o600);
  await secrets.remove('room-101');
  const said = JSON.stringify([answer, await secrets.list(), events.list()]);
  assert.match(said, /The secret room-101 was added.*The secret room-101 was removed/);
  assert.doesNotMatch(said, /sesame|b3BlbiBzZXNhbWU/);
});

test('secrets are listed by name, without what a power cut has left', async (t) => {
  const { secrets, secretsDir, add } = make(t);
  assert.deepEqual(await secrets.list(), []);
  for (const name of ['room-10', 'room-2']) await add(name);
  writeFileSync(join(secretsDir, 'room-3.tmp-aabbccddeeff'), 'half');
  assert.deepEqual(
    (await secrets.list()).map(({ name }) => name),
    ['room-2', 'room-10'],
  );
  await secrets.removeLeftovers();
  assert.deepEqual(readdirSync(secretsDir).sort(), ['room-10', 'room-2'], 'it may hold a secret');
});

test('a key file is kept byte for byte', async (t) => {
  const { secretsDir, add } = make(t);
  const bytes = Buffer.from(Array.from({ length: 512 }, (_, i) => i % 256));
  await add('key', bytes);
  assert.deepEqual(readFileSync(join(secretsDir, 'key')), bytes);
});

test('names that are taken or no names, and what is empty or too long, are refused', async (t) => {
  const { add } = make(t);
  await add('room-101');
  await assert.rejects(add('room-101'), isError('SECRET_EXISTS'));
  await assert.rejects(add('../room'), isError('NAME_INVALID'));
  await assert.rejects(add('empty', ''), isError('SECRET_INVALID'));
  await assert.rejects(add('long', Buffer.alloc(MAX_SECRET_BYTES + 1)), isError('SECRET_INVALID'));
});

test('what is not there is told, and a path is no name', async (t) => {
  const { secrets } = make(t);
  for (const name of ['nobody', '../fleetcast.db', '']) {
    await assert.rejects(secrets.read(name), isError('SECRET_UNKNOWN'));
    await assert.rejects(secrets.remove(name), isError('SECRET_UNKNOWN'));
  }
});

test('a secret stays while a session needs it', async (t) => {
  const { secretsDir, database, events, add } = make(t);
  await add('room-101');
  const secrets = new Secrets({ dir: secretsDir, database, events, sessionNaming: () => 7 });
  await assert.rejects(secrets.remove('room-101'), isError('SECRET_IN_USE'));
  assert.equal((await secrets.read('room-101')).toString(), PASSPHRASE);
});

test('a session chooses before the groups of a host, these before the image, and groups are not guessed between', async (t) => {
  const { secrets, choices, add } = make(t);
  for (const name of ['room-101', 'admin', 'golden']) await add(name);
  const chosen = async (session: string[] | undefined, groups: string[]) =>
    (await secrets.choices()).chosenFor({ session, groups, host: 'pc-1', image: 'debian' });
  assert.equal(await chosen(undefined, ['room']), undefined);
  await secrets.setDefault('image', 'debian', ['golden']);
  assert.deepEqual(await chosen(undefined, ['room']), { names: ['golden'], from: 'the image debian' });
  await secrets.setDefault('group', 'room', ['room-101', 'admin']);
  assert.deepEqual(await chosen(undefined, ['room']), { names: ['room-101', 'admin'], from: 'the group room' });
  assert.deepEqual(await chosen(['golden'], ['room']), { names: ['golden'], from: 'the session' });
  await secrets.setDefault('group', 'other', ['admin']);
  await assert.rejects(chosen(undefined, ['other', 'room']), isError('LUKS_SECRETS_DIFFER'));
  choices.follow('group', 'other', undefined);
  assert.equal((await chosen(undefined, ['other', 'room']))?.from, 'the group room');
  await assert.rejects(secrets.setDefault('image', 'debian', ['nobody']), isError('SECRET_UNKNOWN'));
});

test('a choice outlives its secret, which is how a passphrase is changed; until another is added, nothing goes on without it', async (t) => {
  const { secrets, add } = make(t);
  await add('room-101');
  await secrets.setDefault('group', 'room', ['room-101']);
  assert.deepEqual((await secrets.list())[0]?.chosenBy, ['group room']);
  const chosen = async () =>
    (await secrets.choices()).chosenFor({ session: undefined, groups: ['room'], host: 'pc-1', image: 'debian' });
  await secrets.remove('room-101');
  await assert.rejects(chosen, isError('SECRET_UNKNOWN'));
  await add('room-101', 'another passphrase');
  assert.deepEqual((await chosen())?.names, ['room-101']);
});
