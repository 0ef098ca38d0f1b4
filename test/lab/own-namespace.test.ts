import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';
import { isOrphaned, OWN_RUN, ownNamespace } from '#lab/own-namespace.ts';
import { namespacesOf, planTopology } from '#lab/topology.ts';

test('a namespace of a program that runs is left alone', () => {
  assert.equal(isOrphaned(ownNamespace('sw')), false);
});

test("a lab's network that a test lays without a lab is that of its program", () => {
  const names = namespacesOf(planTopology(OWN_RUN, ['a'], 400));
  assert.equal(names.length, 3);
  for (const name of names) {
    assert.equal(
      isOrphaned(name, () => false),
      true,
      name,
    );
  }
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
