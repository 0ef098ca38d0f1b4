import assert from 'node:assert/strict';
import { test } from 'node:test';
import { withoutIfcfgMacs, withoutKeyfileMacs, withoutNetplanMacs } from '#agent/finishers/network-leftovers.ts';

/** As cloud-init 24 writes it on Ubuntu 24.04 (/etc/netplan/50-cloud-init.yaml). */
const cloudInit = `# This file is generated from information provided by the datasource.
network:
    ethernets:
        ens3:
            dhcp4: true
            match:
                macaddress: 52:54:00:77:00:01
            set-name: ens3
    version: 2
`;

test('a card of netplan is found by its name, not by its MAC address', () => {
  const expected = `# This file is generated from information provided by the datasource.
network:
    ethernets:
        ens3:
            dhcp4: true
    version: 2
`;
  assert.equal(withoutNetplanMacs(cloudInit), expected);
  const inline =
    'network:\n  ethernets:\n    eth0:\n      match: {macaddress: "52:54:00:77:00:01"}\n      set-name: eth0\n      dhcp4: true\n';
  assert.equal(withoutNetplanMacs(inline), 'network:\n  ethernets:\n    eth0:\n      dhcp4: true\n');
});

test('a match that says more keeps the rest, and an address that is set stays', () => {
  const yaml = `network:
  ethernets:
    lan:
      match:
        driver: e1000e
        macaddress: 52:54:00:77:00:01
      set-name: lan
      macaddress: 02:00:00:00:00:01
`;
  assert.equal(withoutNetplanMacs(yaml), yaml.replace('        macaddress: 52:54:00:77:00:01\n', ''));
});

test('a netplan file without MAC addresses stays as it is, and a cleaned one does too', () => {
  const plain = 'network:\n  version: 2\n  renderer: NetworkManager\n';
  assert.equal(withoutNetplanMacs(plain), plain);
  const cleaned = withoutNetplanMacs(cloudInit);
  assert.equal(withoutNetplanMacs(cleaned), cleaned);
});

test('a connection of NetworkManager loses the card it was bound to and keeps a cloned address', () => {
  const keyfile = `[connection]
id=Wired connection 1
type=ethernet

[ethernet]
mac-address=52:54:00:77:00:01
cloned-mac-address=random

[ipv4]
method=auto
`;
  assert.equal(withoutKeyfileMacs(keyfile), keyfile.replace('mac-address=52:54:00:77:00:01\n', ''));
});

test('a network script of Red Hat loses HWADDR and keeps MACADDR', () => {
  const script = 'DEVICE=eth0\nHWADDR=52:54:00:77:00:01\nMACADDR=02:00:00:00:00:01\nONBOOT=yes\n';
  assert.equal(withoutIfcfgMacs(script), 'DEVICE=eth0\nMACADDR=02:00:00:00:00:01\nONBOOT=yes\n');
});
