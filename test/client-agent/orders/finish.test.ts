import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { type TestContext, test } from 'node:test';
import { FinisherFailure, runFinishers, valuesOf } from '#agent/orders/finish.ts';
import { KnownError } from '#protocol/errors.ts';
import {
  type BuiltInName,
  builtInFinishers,
  type FinisherStep,
  MAX_LOG_CHARS,
  type OnError,
} from '#protocol/finisher.ts';
import { makeTargetDisk } from '../finishers/target-disk.ts';

const skip = process.getuid?.() === 0 ? false : 'needs root (loop devices, mounts)';
const digestOf = (text: string) => createHash('sha256').update(text).digest('hex');

function builtIn(...names: BuiltInName[]): FinisherStep[] {
  return names.map((name) => ({ name, onError: builtInFinishers[name].onError, limitS: 60 }));
}

function order(steps: FinisherStep[], hostname?: string) {
  return { steps, host: 'pc-07', n: 7, ...(hostname === undefined ? {} : { hostname }) };
}

function own(content: string, onError: OnError = 'fail', limitS = 30): FinisherStep {
  return { name: 'own', digest: digestOf(content), onError, limitS };
}

const linux = {
  'etc/os-release': '-> ../usr/lib/os-release',
  'usr/lib/os-release': 'NAME=Debian\n',
  'etc/hostname': 'golden\n',
  'etc/hosts': '127.0.0.1\tlocalhost\n127.0.1.1\tgolden\n',
  'etc/machine-id': '0123456789abcdef0123456789abcdef\n',
  'var/lib/dbus/machine-id': '-> /etc/machine-id',
  'etc/ssh/ssh_host_ed25519_key': 'SECRET',
  'etc/ssh/ssh_host_ed25519_key.pub': 'PUBLIC',
  'etc/ssh/sshd_config': 'Port 22\n',
  'usr/lib/systemd/system/sshd-keygen@.service': '[Service]\nExecStart=/usr/libexec/openssh/sshd-keygen %i\n',
  'var/lib/dhcp/dhclient.eth0.leases': 'lease { }\n',
  'var/lib/systemd/random-seed': 'seed',
  'etc/netplan/50-cloud-init.yaml':
    'network:\n  ethernets:\n    eth0:\n      match:\n        macaddress: 52:54:00:00:00:01\n',
};

function disk(t: TestContext, script = '#!/bin/sh\n', files: Readonly<Record<string, string>> = linux) {
  return makeTargetDisk(t, files, new Map([[digestOf(script), Buffer.from(script)]]));
}

test('a Linux becomes a machine of its own, in the order that was chosen', { skip }, async (t) => {
  const target = await disk(t);
  const steps = builtIn('machine-id', 'hostname', 'ssh-host-keys', 'network-leftovers');
  const results = await runFinishers(order(steps, 'lab-{{n:2}}'), target.options);
  assert.deepEqual(
    results.map(({ name, outcome }) => [name, outcome]),
    steps.map(({ name }) => [name, 'done']),
  );
  assert.equal(await target.read('etc/hostname'), 'lab-07\n');
  assert.equal(await target.read('etc/hosts'), '127.0.0.1\tlocalhost\n127.0.1.1\tlab-07\n');
  assert.equal(await target.read('etc/machine-id'), '');
  const gone = ['etc/ssh/ssh_host_ed25519_key', 'var/lib/dhcp/dhclient.eth0.leases', 'var/lib/systemd/random-seed'];
  for (const name of gone) assert.equal(await target.read(name), undefined, name);
  assert.equal(await target.read('etc/ssh/sshd_config'), 'Port 22\n');
  assert.doesNotMatch((await target.read('etc/netplan/50-cloud-init.yaml'))!, /macaddress/);
  assert.match(results[1]!.log, /golden is now lab-07/);
  assert.match(results[2]!.log, /sshd-keygen@\.service makes new ones/);
  assert.ok(await target.hasTable());
  const again = await runFinishers(order(steps, 'lab-{{n:2}}'), target.options);
  assert.ok(again.every(({ outcome }) => outcome === 'done'));
});

test('an own program gets the host in its environment, writes into the root, and its words are kept', {
  skip,
}, async (t) => {
  const script = `#!/bin/sh
echo "$FLEETCAST_HOSTNAME $FLEETCAST_SERIAL $FLEETCAST_MAC $FLEETCAST_N $FLEETCAST_SYSTEM \${HOME}"
echo "to $FLEETCAST_DISK" >&2
echo "here" >"$FLEETCAST_ROOT/etc/own"
`;
  const target = await disk(t, script);
  const [result] = await runFinishers(order([own(script)]), target.options);
  assert.match(result!.log, /pc-07 S01 52:54:00:77:00:01 7 linux \/root/);
  assert.ok(result!.log.includes(`to ${target.path}`));
  assert.equal(await target.read('etc/own'), 'here\n');
});

test('an own finisher that fails takes the table off the disk, or only warns, as declared', { skip }, async (t) => {
  const script = '#!/bin/sh\necho no driver\nexit 4\n';
  const target = await disk(t, script);
  const steps = (onError: OnError) => order([own(script, onError), ...builtIn('hostname')]);
  const results = await runFinishers(steps('warn'), target.options);
  assert.deepEqual(
    results.map(({ outcome }) => outcome),
    ['warned', 'done'],
  );
  assert.match(results[0]!.log, /no driver\nfailed: exit code 4/);
  assert.ok(await target.hasTable());
  await assert.rejects(runFinishers(steps('fail'), target.options), (error: unknown) => {
    return (
      error instanceof KnownError && error.code === 'FINISHER_FAILED' && /exit code 4: no driver/.test(error.message)
    );
  });
  assert.ok(!(await target.hasTable()), 'the disk must not boot');
});

test('of a host that fails, every word of every finisher that ran is kept, and no more of them than a page', {
  skip,
}, async (t) => {
  const script =
    '#!/bin/sh\necho begin\nfor _ in 1 2 3 4 5 6 7 8 9; do head -c 1000000 /dev/zero | tr "\\0" x; done\necho; echo last; exit 3\n';
  const target = await disk(t, script);
  await assert.rejects(runFinishers(order([...builtIn('hostname'), own(script)]), target.options), (error: unknown) => {
    assert.ok(error instanceof FinisherFailure);
    const [hostname, mine] = error.results;
    assert.deepEqual([hostname!.outcome, mine!.outcome], ['done', 'failed']);
    assert.match(hostname!.log, /golden is now pc-07/);
    assert.match(mine!.log, /^…x+\nlast\nfailed: exit code 3$/);
    assert.ok(mine!.log.length <= MAX_LOG_CHARS + 1);
    return true;
  });
});

test('what cannot be started is told with what to do about it', { skip }, async (t) => {
  const elf = (machine: number) => {
    const bytes = readFileSync('/bin/busybox').subarray(0, 64);
    const copy = Buffer.from(bytes);
    copy.writeUInt16LE(machine, 18);
    return copy.toString('latin1');
  };
  const foreign = process.arch === 'x64' ? 183 : 62;
  const cases: [string, RegExp][] = [
    ['#!/bin/sh\r\necho hello\r\n', /lines end as on Windows.*sed -i/],
    ['\u00ef\u00bb\u00bf#!/bin/sh\n', /byte order mark/],
    ['#!/usr/bin/no-such-perl\n', /the agent has no \/usr\/bin\/no-such-perl; use #!\/bin\/sh/],
    ['#!sh\n', /no absolute path/],
    ['echo hello\n', /begins with #!\/bin\/sh/],
    [elf(foreign), /was built for .* machines, and this one is/],
  ];
  for (const [content, expected] of cases) {
    const bytes = Buffer.from(content, 'latin1');
    const digest = createHash('sha256').update(bytes).digest('hex');
    const target = await makeTargetDisk(t, linux, new Map([[digest, bytes]]));
    const [result] = await runFinishers(order([{ name: 'own', digest, onError: 'warn', limitS: 30 }]), target.options);
    assert.match(result!.log, expected);
    assert.doesNotMatch(result!.log, /spawn|ENOENT/);
  }
});

test('an own finisher is ended at its time limit, with the programs that it started', { skip }, async (t) => {
  const script = '#!/bin/sh\ncd "$FLEETCAST_ROOT"\nsleep 600 &\nsleep 600\n';
  const target = await disk(t, script);
  const [result] = await runFinishers(order([own(script, 'warn', 1)]), target.options);
  assert.match(result!.log, /failed: it took longer than 1 s/);
});

test('a finisher may not leave a service running: what it has started, in whatever session, ends with it', {
  skip,
}, async (t) => {
  const script =
    '#!/bin/sh\ncd "$FLEETCAST_ROOT"\nsetsid sleep 600 &\nsetsid sh -c "setsid sleep 600 & sleep 600" &\nexit 0\n';
  const target = await disk(t, script);
  const results = await runFinishers(order([own(script, 'fail', 60), ...builtIn('hostname')]), target.options);
  assert.deepEqual(
    results.map(({ outcome }) => outcome),
    ['done', 'done'],
  );
  assert.ok(await target.hasTable());
});

test('a finisher that prints without end is ended at its time limit', { skip }, async (t) => {
  const script = '#!/bin/sh\ntrap "" TERM\nexec yes "on and on"\n';
  const target = await disk(t, script);
  const [result] = await runFinishers(order([own(script, 'warn', 1)]), target.options);
  assert.match(result!.log, /^….*on and on\n.*failed: it took longer than 1 s$/s);
  assert.ok(result!.log.length <= MAX_LOG_CHARS + 1);
});

test('a file of the admin is laid with its placeholders filled in, through links of the target only', {
  skip,
}, async (t) => {
  const files = { ...linux, 'etc/motd': '-> /run/motd', 'run/other': '' };
  const template = 'I am {{hostname}}, number {{n}}\n';
  const target = await disk(t, template, files);
  await runFinishers(order([{ ...own(template), to: 'etc/motd' }]), target.options);
  assert.equal(await target.read('run/motd'), 'I am pc-07, number 7\n');
});

test('a disk without a system is named with what was found instead', { skip }, async (t) => {
  const target = await disk(t, '', { 'data/file': 'x' });
  await assert.rejects(
    runFinishers(order(builtIn('hostname')), target.options),
    /no Linux was found.*neither Linux nor Windows/,
  );
});

test('an initramfs is built by the program of the system, with devices and kernel in sight', { skip }, async (t) => {
  const program = '#!/bin/sh\ntest -e /proc/self/status && test -c /dev/null && echo "built $*" >/made\n';
  const target = await disk(t, '', {
    ...linux,
    ...{ 'bin/sh': readFileSync('/bin/busybox', 'latin1') },
    ...{ 'usr/sbin/update-initramfs': program, 'usr/sbin/mkinitramfs': program },
    ...{ 'proc/.keep': '', 'sys/.keep': '', 'dev/.keep': '' },
  });
  const [result] = await runFinishers(order(builtIn('initramfs')), target.options);
  assert.match(result!.log, /usr\/sbin\/update-initramfs has built it anew/);
  assert.equal(await target.read('made'), 'built -u -k all\n');
  const own = await disk(t, '', {
    ...linux,
    ...{ 'etc/fstab': 'UUID=1 / ext4\nUUID=2 /boot ext4 defaults 0 2\n' },
    ...{ 'usr/sbin/update-initramfs': program, 'usr/sbin/mkinitramfs': program },
  });
  await assert.rejects(
    runFinishers(order(builtIn('initramfs')), own.options),
    /its \/boot is UUID=2 in fstab, and this disk has no such filesystem/,
  );
});

test('a program that is not what the order says does not run', { skip }, async (t) => {
  const target = await disk(t);
  const link = { readFinisher: async () => Buffer.from('#!/bin/sh\nexit 0\n') };
  await assert.rejects(runFinishers(order([own('other')]), { ...target.options, link }), /another digest/);
  assert.ok(!(await target.hasTable()));
});

test('what a machine is to call itself may be made of what it is', () => {
  const machine = { serial: 'S9', mac: '52:54:00:77:00:01' };
  assert.equal(valuesOf(order([]), machine).hostname, 'pc-07');
  assert.equal(valuesOf(order([], '{{hostname}}-{{serial}}'), machine).hostname, 'pc-07-S9');
});
