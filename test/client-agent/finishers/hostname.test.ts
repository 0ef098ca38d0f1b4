import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hostnameFrom, renameInHosts } from '#agent/finishers/hostname.ts';

/** As the installers of these systems leave it. */
const debian = `127.0.0.1	localhost
127.0.1.1	golden.lab.example	golden

# The following lines are desirable for IPv6 capable hosts
::1     localhost ip6-localhost ip6-loopback
ff02::1 ip6-allnodes
`;
const fedora = `127.0.0.1   localhost localhost.localdomain localhost4 localhost4.localdomain4
::1         localhost localhost.localdomain localhost6 localhost6.localdomain6
`;

test('the line of the own name gets the new name and keeps its domain; all others stay as they are', () => {
  const lines = debian.split('\n');
  lines[1] = '127.0.1.1\tpc-07.lab.example pc-07';
  assert.equal(renameInHosts(debian, 'golden', 'pc-07'), lines.join('\n'));
});

test('a new name with a domain replaces the old one with its domain', () => {
  assert.match(renameInHosts(debian, 'golden', 'pc-07.new.example'), /^127\.0\.1\.1\tpc-07\.new\.example pc-07$/m);
});

test('a file without the own name stays as it is', () => {
  assert.equal(renameInHosts(fedora, 'golden', 'pc-07'), fedora);
});

test('the name on a line of the LAN is renamed too, with its comment kept, and longer names are not', () => {
  const hosts = '10.0.0.5 golden golden2 server # us\n10.0.0.6 goldenrod\n';
  assert.equal(renameInHosts(hosts, 'golden', 'pc-1'), '10.0.0.5\tpc-1 golden2 server # us\n10.0.0.6 goldenrod\n');
});

test('a system without /etc/hostname gets its name on the line 127.0.1.1', () => {
  assert.match(renameInHosts(debian, undefined, 'pc-1'), /^127\.0\.1\.1\tpc-1\.lab\.example pc-1$/m);
});

test('any text becomes a host name that Linux takes', () => {
  const made = ['Lab PC_07', '52:54:00:77:00:01', 'pc-1.lab.example', '-ö-', 'a'.repeat(80)].map((text) => {
    return text === '-ö-' ? 'refused' : hostnameFrom(text);
  });
  assert.deepEqual(made, ['lab-pc07', '525400770001', 'pc-1.lab.example', 'refused', 'a'.repeat(63)]);
  assert.throws(() => hostnameFrom('-ö-'), /leaves no letter/);
});
