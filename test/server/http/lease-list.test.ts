import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { LeaseView } from '#protocol/admin/dhcp-api.ts';
import type { HostView } from '#protocol/admin/host-api.ts';
import { withReservations } from '#server/http/lease-list.ts';

const host: HostView = {
  ...{ hostId: 1, name: 'pc-01', approval: 'approved', macs: ['52:54:00:77:00:01'], groups: [], presence: 'away' },
  address: '10.0.0.9',
};
const lease: LeaseView = { address: '10.0.0.10', mac: '52:54:00:77:00:02', state: 'bound', startedMs: 1, expiresMs: 2 };

test('a kept address that was given says for whom it is kept', () => {
  const given: LeaseView = { ...lease, address: '10.0.0.9' };
  assert.deepEqual(withReservations([given, lease], [host]), [{ ...given, reservedFor: 'pc-01' }, lease]);
});

test('a kept address that nobody has yet is listed in its place, in the order of numbers', () => {
  const { macs, address, ...plain } = host;
  assert.deepEqual(withReservations([lease], [host, { ...plain, macs }]), [
    { address, mac: macs[0], state: 'reserved', reservedFor: 'pc-01' },
    lease,
  ]);
});
