import assert from 'node:assert/strict';
import { test } from 'node:test';
import { KnownError } from '#protocol/errors.ts';
import { PortAllocator } from '#server/transfer/port-allocator.ts';

const range = { portFirst: 9000, portLast: 9006, dataAddressBase: '239.192.78.254' };

test('each cast gets the next even base and its own group, round and round', () => {
  const allocator = new PortAllocator(range, 0);
  const seen: string[] = [];
  for (let i = 0; i < 5; i++) {
    const ports = allocator.take();
    seen.push(`${ports.portBase} ${ports.dataAddress}`);
    allocator.giveBack(ports);
  }
  assert.deepEqual(seen, [
    '9000 239.192.78.254',
    '9002 239.192.78.255',
    '9004 239.192.79.0',
    '9006 239.192.79.1',
    '9000 239.192.78.254',
  ]);
});

test('a base in use is never given twice, and none is left when all are in use', () => {
  const allocator = new PortAllocator(range, 0.99);
  const all = [allocator.take(), allocator.take(), allocator.take(), allocator.take()];
  assert.equal(new Set(all.map((ports) => ports.portBase)).size, 4);
  assert.throws(
    () => allocator.take(),
    (error) => error instanceof KnownError && error.code === 'CAST_FAILED',
  );
  allocator.giveBack(all[2]!);
  assert.deepEqual(allocator.take(), all[2]);
});

test('bases that another program uses are passed over, and tried again by the next cast', async () => {
  const allocator = new PortAllocator(range, 0);
  const ports = await allocator.takeFree(async ({ portBase }) => portBase === 9004);
  assert.equal(ports.portBase, 9004);
  await assert.rejects(
    allocator.takeFree(async () => false),
    { code: 'CAST_FAILED' },
  );
  allocator.giveBack(ports);
  assert.equal((await allocator.takeFree(async ({ portBase }) => portBase === 9002)).portBase, 9002);
});
