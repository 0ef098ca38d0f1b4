import assert from 'node:assert/strict';
import { test } from 'node:test';
import { interfaceRate, readLinkMbit } from '#server/transfer/interface-rate.ts';

test('an interface has its own cap, else the one of all, else the speed of its cable, which is no cap', () => {
  const cast = { interface: [{ name: 'eth1', mbit: 100 }], interfaceMbit: 400 };
  assert.deepEqual(interfaceRate('eth1', cast, 1000), { mbit: 100, isCap: true });
  assert.deepEqual(interfaceRate('eth0', cast, 1000), { mbit: 400, isCap: true });
  assert.deepEqual(interfaceRate('eth0', { interface: [] }, 1000), { mbit: 950, isCap: false });
  assert.equal(interfaceRate('eth0', { interface: [] }, undefined), undefined);
});

test('the speed of an interface that has none, or is not there, is not known', () => {
  assert.deepEqual([readLinkMbit('lo'), readLinkMbit('no-such')], [undefined, undefined]);
});
