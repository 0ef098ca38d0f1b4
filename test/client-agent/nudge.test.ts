import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Nudge } from '#agent/nudge.ts';

/** Longer than any test runs: what ends earlier was nudged. */
const FOR_EVER_MS = 2 ** 31 - 1;
const { signal } = new AbortController();

test('a nudge ends a wait', async () => {
  const nudge = new Nudge();
  const wait = nudge.wait(FOR_EVER_MS, signal);
  nudge.give();
  await wait;
});

test('a nudge that nobody waits for ends the next wait, unless it was cleared', async () => {
  const nudge = new Nudge();
  nudge.give();
  await nudge.wait(FOR_EVER_MS, signal);
  nudge.clear();
  const stopping = new AbortController();
  const wait = nudge.wait(FOR_EVER_MS, stopping.signal);
  stopping.abort(new Error('it waits'));
  await assert.rejects(wait, { message: 'it waits' });
});

test('without a nudge a wait ends when its time has passed', async () => {
  await new Nudge().wait(1, signal);
});
