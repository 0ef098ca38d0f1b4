import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { actingAs, presentActor } from '#server/inventory/actor.ts';

test('what is begun on behalf of somebody is so to its end, and what takes leave is not', async () => {
  let afterwards: Promise<string | undefined> | undefined;
  const actor = await actingAs('anna', async () => {
    await setImmediate();
    afterwards = actingAs(undefined, async () => {
      await setImmediate();
      return presentActor();
    });
    await setImmediate();
    return presentActor();
  });
  assert.equal(actor, 'anna');
  assert.equal(await afterwards, undefined);
  assert.equal(presentActor(), undefined);
});
