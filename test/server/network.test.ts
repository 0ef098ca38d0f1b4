import assert from 'node:assert/strict';
import type { NetworkInterfaceInfo } from 'node:os';
import { test } from 'node:test';
import type { KnownError } from '#protocol/errors.ts';
import { broadcastOf, chooseNetwork, requireCastsOn } from '#server/network.ts';

/** As os.networkInterfaces() of Node 26 says it. */
function ipv4(address: string, netmask = '255.255.255.0', internal = false): NetworkInterfaceInfo[] {
  return [{ address, netmask, family: 'IPv4', mac: '52:54:00:00:00:01', internal, cidr: `${address}/24` }];
}

const lo = ipv4('127.0.0.1', '255.0.0.0', true);

function refusal(choose: () => unknown, code: string): string {
  let message = '';
  assert.throws(choose, (error: KnownError) => {
    message = error.message;
    return error.code === code;
  });
  return message;
}

test('the only interface with an address is chosen', () => {
  assert.deepEqual(chooseNetwork({ lo, eth0: ipv4('10.77.0.1') }, ['lo', 'eth0', 'eth1']), {
    interface: 'eth0',
    address: '10.77.0.1',
    broadcast: '10.77.0.255',
  });
});

test('several interfaces with an address need a choice', () => {
  const interfaces = { lo, eth0: ipv4('10.77.0.1'), wlan0: ipv4('192.168.1.4') };
  const message = refusal(() => chooseNetwork(interfaces, Object.keys(interfaces)), 'INTERFACE_AMBIGUOUS');
  assert.equal(message, 'Several interfaces have an address: eth0 (10.77.0.1), wlan0 (192.168.1.4)');
  assert.equal(chooseNetwork(interfaces, Object.keys(interfaces), 'wlan0').address, '192.168.1.4');
});

test('a named interface may be the loopback', () => {
  assert.equal(chooseNetwork({ lo }, ['lo'], 'lo').address, '127.0.0.1');
});

test('an interface that is not there is refused with those that are', () => {
  assert.equal(
    refusal(() => chooseNetwork({ lo }, ['lo', 'eth0'], 'eth7'), 'INTERFACE_MISSING'),
    'There is no network interface eth7; there are: lo, eth0',
  );
});

test('an interface without an IPv4 address is refused', () => {
  const onlyIpv6 = ipv4('fe80::1').map((info) => ({ ...info, family: 'IPv6' as const, scopeid: 2 }));
  refusal(() => chooseNetwork({ lo, eth0: onlyIpv6 }, ['lo', 'eth0'], 'eth0'), 'INTERFACE_NO_ADDRESS');
  refusal(() => chooseNetwork({ lo }, ['lo', 'eth0']), 'INTERFACE_NO_ADDRESS');
  refusal(() => chooseNetwork({ lo }, ['lo']), 'INTERFACE_MISSING');
});

test('the broadcast address is the last of the network, and absent where there is no room for one', () => {
  assert.equal(broadcastOf('10.77.3.9', '255.255.252.0'), '10.77.3.255');
  assert.equal(broadcastOf('192.168.255.1', '255.255.255.0'), '192.168.255.255');
  assert.equal(broadcastOf('10.0.0.1', '255.255.255.254'), undefined);
  assert.equal(broadcastOf('10.0.0.1', '255.255.255.255'), undefined);
});

test('a cap for an interface that casts do not leave by is refused, since it would be without effect', () => {
  requireCastsOn({ interface: 'eth0' }, [{ name: 'eth0' }]);
  const message = refusal(
    () => requireCastsOn({ interface: 'eth0' }, [{ name: 'eth0' }, { name: 'eth1' }]),
    'INTERFACE_WITHOUT_CASTS',
  );
  assert.match(message, /names eth1, but casts leave by eth0 alone/);
});
