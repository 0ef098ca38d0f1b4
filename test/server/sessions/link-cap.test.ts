import assert from 'node:assert/strict';
import { test } from 'node:test';
import { linkCap } from '#server/sessions/link-cap.ts';

test('a cast is held to the slowest link of its hosts when the server’s own is quicker', () => {
  assert.equal(linkCap([1000, 100, undefined], 1000), 98);
  assert.equal(linkCap([100, 100], 10_000), 98);
});

test('nothing holds a cast to hosts that hear all that the server can send, or of which nothing is known', () => {
  assert.equal(linkCap([1000, 2500], 1000), undefined);
  assert.equal(linkCap([undefined], 1000), undefined);
  assert.equal(linkCap([100], undefined), undefined);
});
