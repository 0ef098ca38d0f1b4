import assert from 'node:assert/strict';
import { test } from 'node:test';
import { describeLink } from '#server/doctor/link-state.ts';

const entry = {
  flags: ['BROADCAST', 'MULTICAST', 'UP', 'LOWER_UP'],
  mtu: 1500,
  addr_info: [
    { family: 'inet6', prefixlen: 64 },
    { family: 'inet', prefixlen: 24, broadcast: '10.77.0.255' },
  ],
};

test('a link is told as ip(8) and the driver say', () => {
  assert.deepEqual(describeLink(entry, '1000', 'full'), {
    ...{ isUp: true, hasCarrier: true, mtu: 1500, mbit: 1000, duplex: 'full' },
    ...{ broadcast: '10.77.0.255', prefixLength: 24 },
  });
});

test('a driver that does not know the speed says -1 or nothing, and an address may have no broadcast', () => {
  const bare = { ...entry, flags: ['UP'], addr_info: [{ family: 'inet', prefixlen: 25 }] };
  const expected = { isUp: true, hasCarrier: false, mtu: 1500, prefixLength: 25 };
  assert.deepEqual(describeLink(bare, '-1', 'unknown'), expected);
  assert.deepEqual(describeLink(bare, '', ''), expected);
});
