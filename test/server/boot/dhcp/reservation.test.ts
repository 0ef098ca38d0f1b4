import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseAddress } from '#server/boot/dhcp/address.ts';
import { reservationProblem } from '#server/boot/dhcp/reservation.ts';
import { readSubnets } from '#server/boot/full-mode.ts';

const common = { leaseS: 3600, dns: [], ntp: [] };
const subnets = readSubnets([
  { network: '10.77.0.0/24', poolFirst: '10.77.0.100', poolLast: '10.77.0.200', ...common },
  { network: '10.78.4.0/22', poolFirst: '10.78.4.10', poolLast: '10.78.4.20', ...common },
]);
const problemOf = (address: string) => reservationProblem(address, subnets, [parseAddress('10.77.0.1')]);

test('an address of any of the networks can be kept for a host, in the pool or outside', () => {
  for (const address of ['10.77.0.2', '10.77.0.254', '10.78.7.9']) assert.equal(problemOf(address), undefined);
});

test('an address that a host cannot have is refused with the reason', () => {
  for (const [address, problem] of [
    ['10.78.0.2', /none of the networks of \[\[boot\.subnet\]\]: 10\.77\.0\.0\/24, 10\.78\.4\.0\/22/],
    ['10.77.0.1', /address of the server/],
    ['10.77.0.0', /the network itself/],
    ['10.78.7.255', /its broadcast address/],
  ] as const) {
    assert.match(problemOf(address)!, problem);
  }
});
