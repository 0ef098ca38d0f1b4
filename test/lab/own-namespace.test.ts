import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';
import { isOrphaned, ownNamespace } from '#lab/own-namespace.ts';

test('a namespace of a program that runs is left alone', () => {
  assert.equal(isOrphaned(ownNamespace('sw')), false);
});

test('a namespace of a program that has ended is a leftover', () => {
  const { pid } = spawnSync('true');
  assert.equal(isOrphaned(`fc-pid${pid}-1-sw`), true);
});

test('namespaces of labs and of others are none of its business', () => {
  for (const name of ['fc-0a1b-sw', 'fc-0a1b-pc-1', 'docker', 'fc-pid-1', 'my-fc-pid1-sw']) {
    assert.equal(
      isOrphaned(name, () => false),
      false,
      name,
    );
  }
});
