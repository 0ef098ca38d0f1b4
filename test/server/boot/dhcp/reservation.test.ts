import assert from 'node:assert/strict';
import { test } from 'node:test';
import { reservationProblem } from '#server/boot/dhcp/reservation.ts';

const network = { address: '10.77.0.1', netmask: '255.255.255.0' };

test('an address of the network can be kept for a host, in the pool or outside', () => {
  for (const address of ['10.77.0.2', '10.77.0.254']) assert.equal(reservationProblem(address, network), undefined);
});

test('an address that a host cannot have is refused with the reason', () => {
  for (const [address, problem] of [
    ['10.78.0.2', /not in the network of 10\.77\.0\.1/],
    ['10.77.0.1', /address of the server/],
    ['10.77.0.0', /the network itself/],
    ['10.77.0.255', /its broadcast address/],
  ] as const) {
    assert.match(reservationProblem(address, network)!, problem);
  }
});
