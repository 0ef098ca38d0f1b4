import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hostKeysAmong, makesHostKeys } from '#agent/finishers/ssh-host-keys.ts';

test('host keys are known by their names, and configurations stay', () => {
  const names = [
    'moduli',
    'ssh_config',
    'ssh_host_ed25519_key',
    'ssh_host_ed25519_key.pub',
    'ssh_host_rsa_key',
    'sshd_config',
  ];
  assert.deepEqual(hostKeysAmong(names), ['ssh_host_ed25519_key', 'ssh_host_ed25519_key.pub', 'ssh_host_rsa_key']);
});

test("Fedora's and Arch's units make host keys, Debian's only checks the configuration", () => {
  // sshd-keygen@.service of openssh-server in Fedora 40; sshdgenkeys.service of Arch; ssh.service of Debian 12.
  assert.ok(makesHostKeys('[Service]\nType=oneshot\nExecStart=/usr/libexec/openssh/sshd-keygen %i\n'));
  assert.ok(makesHostKeys('[Service]\nExecStart=/usr/bin/ssh-keygen -A\nType=oneshot\n'));
  assert.ok(!makesHostKeys('[Service]\nExecStartPre=/usr/sbin/sshd -t\nExecStart=/usr/sbin/sshd -D $SSHD_OPTS\n'));
});
