import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readHolders } from '#server/boot/port-holder.ts';

// Said by ss of iproute2 6.1 on Debian 12, as root and not.
const said = `UNCONN 0      0            0.0.0.0%virbr0:67         0.0.0.0:*    users:(("dnsmasq",pid=1204,fd=3))
UNCONN 0      0                   0.0.0.0:67         0.0.0.0:*    users:(("dhcpd",pid=77,fd=7))
UNCONN 0      0               10.77.0.1:67         0.0.0.0:*
`;

test('who holds a port is read with its interface and program', () => {
  assert.deepEqual(readHolders(said), [
    { address: '0.0.0.0', device: 'virbr0', program: 'dnsmasq (process 1204)' },
    { address: '0.0.0.0', program: 'dhcpd (process 77)' },
    { address: '10.77.0.1' },
  ]);
  assert.deepEqual(readHolders(''), []);
});
