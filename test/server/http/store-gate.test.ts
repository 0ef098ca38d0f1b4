import assert from 'node:assert/strict';
import { test } from 'node:test';
import { StoreGate } from '#server/http/store-gate.ts';

test('pruning waits for no session: it is refused', async () => {
  const gate = new StoreGate(() => 7);
  await assert.rejects(
    gate.whilePruning(async () => {}),
    { code: 'STORE_BUSY', message: 'The store cannot be pruned while session 7 runs' },
  );
  gate.requireNoPrune();
});

test('while the store is pruned, sessions, verifying and a second pruning are refused', async () => {
  const gate = new StoreGate(() => undefined);
  const { promise, resolve } = Promise.withResolvers<string>();
  const pruning = gate.whilePruning(() => promise);
  assert.throws(() => gate.requireNoPrune(), { code: 'STORE_PRUNING' });
  assert.throws(() => gate.beginVerify(), { code: 'STORE_PRUNING' });
  await assert.rejects(
    gate.whilePruning(async () => {}),
    { code: 'STORE_PRUNING' },
  );
  resolve('done');
  assert.equal(await pruning, 'done');
  gate.requireNoPrune();
});

test('a pruning that fails opens the gate again', async () => {
  const gate = new StoreGate(() => undefined);
  await assert.rejects(
    gate.whilePruning(() => Promise.reject(new Error('disk'))),
    /disk/,
  );
  gate.requireNoPrune();
});

test('the store is not pruned while it is verified', async () => {
  const gate = new StoreGate(() => undefined);
  const [endFirst, endSecond] = [gate.beginVerify(), gate.beginVerify()];
  endFirst();
  endFirst();
  await assert.rejects(
    gate.whilePruning(async () => {}),
    { code: 'STORE_VERIFYING' },
  );
  endSecond();
  await gate.whilePruning(async () => {});
});
