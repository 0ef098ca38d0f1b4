import assert from 'node:assert/strict';
import { existsSync, readdirSync, rmSync } from 'node:fs';
import { type TestContext, test } from 'node:test';
import { type ErrorCode, KnownError } from '#protocol/errors.ts';
import { makeInventory } from '../inventory-fixture.ts';

const isError = (code: ErrorCode) => (error: unknown) => error instanceof KnownError && error.code === code;

function make(t: TestContext) {
  const inventory = makeInventory();
  t.after(() => rmSync(inventory.finishersDir, { recursive: true, force: true }));
  const add = (name: string, text = '#!/bin/sh\n', to?: string) =>
    inventory.finishers.add({
      ...{ name, content: Buffer.from(text).toString('base64'), onError: 'warn' as const, limitS: 30 },
      ...(to === undefined ? {} : { to }),
    });
  return { ...inventory, add };
}

test('what is uploaded is read back by its digest, and listed after the built-in ones', async (t) => {
  const { finishers, add } = make(t);
  const { digest } = await add('printers');
  assert.equal((await finishers.read('printers', digest!)).toString(), '#!/bin/sh\n');
  const names = finishers.list().map(({ name, isBuiltIn }) => `${name} ${isBuiltIn}`);
  assert.equal(names[0], 'hostname true');
  assert.equal(names.at(-1), 'printers false');
});

test('names that are taken, files that are no programs, and paths out of the target are refused', async (t) => {
  const { add } = make(t);
  await add('mine');
  await assert.rejects(add('mine'), isError('FINISHER_EXISTS'));
  await assert.rejects(add('hostname'), isError('FINISHER_EXISTS'));
  await assert.rejects(add('none'), isError('FINISHER_EXISTS'));
  await assert.rejects(add('two words'), isError('NAME_INVALID'));
  for (const text of ['', 'x', 'echo hello\n', '#!/bin/sh\r\n', '#!sh\n'])
    await assert.rejects(add('other', text), isError('FINISHER_INVALID'));
  for (const to of ['/etc/motd', 'etc/../../motd', '', 'etc\\motd']) {
    await assert.rejects(add('other', 'text', to), isError('FINISHER_INVALID'));
  }
  await assert.rejects(add('other', '{{host}}', 'etc/motd'), isError('TEMPLATE_INVALID'));
});

test('a session chooses before the group of a host, the group before the image', async (t) => {
  const { finishers, add } = make(t);
  await add('mine');
  const chosen = (session: string[] | undefined, groups: string[]) =>
    finishers.chosenFor({ session, groups, host: 'pc-1', image: 'win11' }).map(({ name }) => name);
  assert.deepEqual(chosen(undefined, ['room']), []);
  finishers.setDefault('image', 'win11', ['hostname', 'mine']);
  assert.deepEqual(chosen(undefined, ['room']), ['hostname', 'mine']);
  finishers.setDefault('group', 'room', ['none']);
  assert.deepEqual(chosen(undefined, ['room']), []);
  assert.deepEqual(chosen(['mine'], ['room']), ['mine']);
  finishers.setDefault('group', 'room', null);
  assert.deepEqual(chosen(undefined, ['room']), ['hostname', 'mine']);
  assert.throws(() => chosen(['nobody'], []), isError('FINISHER_UNKNOWN'));
  assert.throws(() => chosen(['mine', 'mine'], []), isError('INVALID_REQUEST'));
});

test('groups of one host that choose otherwise are not guessed between', (t) => {
  const { finishers } = make(t);
  finishers.setDefault('group', 'a', ['hostname']);
  finishers.setDefault('group', 'b', ['machine-id']);
  const choosers = { session: undefined, host: 'pc-1', groups: ['a', 'b'], image: 'win11' };
  assert.throws(() => finishers.chosenFor(choosers), isError('FINISHERS_AMBIGUOUS'));
  finishers.setDefault('group', 'b', ['hostname']);
  assert.deepEqual(
    finishers.chosenFor(choosers).map(({ name }) => name),
    ['hostname'],
  );
});

test('one that is chosen stays until it is not; a choice follows its group', async (t) => {
  const { finishers, finishersDir, choices, add } = make(t);
  await add('mine');
  await add('twin');
  finishers.setDefault('group', 'a', ['mine']);
  choices.follow('group', 'a', 'b');
  await assert.rejects(finishers.remove('mine'), /in use by group b/);
  choices.follow('group', 'b', undefined);
  await finishers.remove('mine');
  assert.equal(readdirSync(finishersDir).length, 1, 'the twin has the same bytes');
  await finishers.remove('twin');
  assert.deepEqual(existsSync(finishersDir) ? readdirSync(finishersDir) : [], []);
  await assert.rejects(finishers.remove('hostname'), isError('FINISHER_BUILT_IN'));
  await assert.rejects(finishers.remove('mine'), isError('FINISHER_UNKNOWN'));
});
