import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { CheckResult } from '#protocol/check.ts';
import { type HostFacts, judgeHost } from '#server/doctor/host-rules.ts';

const GIB = 1024 ** 3;

const good: CheckResult = {
  nowMs: 0,
  interface: 'eth0',
  mtu: 1500,
  linkMbit: 1000,
  hasBroadcast: true,
  memoryBytes: 8 * GIB,
  freeMemoryBytes: 7 * GIB,
  receiveBufferBytes: 16 * 1024 * 1024,
  heard: 1000,
  disks: [{ path: '/dev/sda', model: 'Disk', serial: 'S1', sizeBytes: GIB, readBytes: 200e6, readMs: 1000 }],
};

function measured(changed: Partial<CheckResult>, more: { clockOffsetMs?: number } = {}): HostFacts {
  const probe = { count: 1000, mbit: 200 };
  return { state: 'measured', result: { ...good, ...changed }, clockOffsetMs: 0, serverMtu: 1500, probe, ...more };
}

/** The only finding that is not ok. */
function onlyFault(facts: HostFacts) {
  const faults = judgeHost('pc-1', facts).filter(({ level }) => level !== 'ok');
  assert.equal(faults.length, 1, JSON.stringify(faults));
  return faults[0]!;
}

test('a host whose measurements are all good has one good finding for each thing', () => {
  const findings = judgeHost('pc-1', measured({}));
  assert.deepEqual(
    findings.map(({ host, check, level }) => `${host} ${check} ${level}`),
    ['multicast', 'link', 'address', 'mtu', 'buffers', 'disk', 'clock', 'memory'].map((check) => `pc-1 ${check} ok`),
  );
  assert.equal(findings[0]!.text, 'heard 1000 of 1000 datagrams at 200 Mbit/s');
});

test('everything that needs attention says what to do', () => {
  const faults: readonly (readonly [HostFacts, check: string, text: RegExp])[] = [
    [measured({ heard: 0 }), 'multicast', /^deaf: heard none of 1000/],
    [measured({ heard: 0, deafBecause: 'ENODEV' }), 'multicast', /cannot listen to multicast: ENODEV/],
    [measured({ heard: 970 }), 'multicast', /loses 3\.0 %/],
    [measured({ heard: 500 }), 'multicast', /only about 100 Mbit\/s through/],
    [measured({ heard: 50 }), 'multicast', /only about 10 Mbit\/s through/],
    // Half of it came, but took a second: a switch that buffers much before a slow port.
    [measured({ heard: 500, heardMs: 1000 }), 'multicast', /only about 5\.9 Mbit\/s through/],
    [measured({ linkMbit: 100 }), 'link', /100 Mbit\/s/],
    [measured({ hasBroadcast: false }), 'address', /no broadcast address on eth0/],
    [measured({ mtu: 9000 }), 'mtu', /MTU 9000, the server has 1500/],
    [measured({ receiveBufferBytes: 212_992 }), 'buffers', /0 MiB/],
    [measured({ disks: [] }), 'disk', /no disk/],
    [measured({ disks: [{ ...good.disks[0]!, readMs: 10_000 }] }), 'disk', /Disk S1 reads 20 MB\/s/],
    [measured({ disks: [{ ...good.disks[0]!, problem: 'EIO' }] }), 'disk', /cannot be read: EIO/],
    [measured({}, { clockOffsetMs: -7_200_000 }), 'clock', /7200 s behind/],
    [measured({ freeMemoryBytes: 50e6 }), 'memory', /48 MiB of 8192 MiB/],
  ];
  for (const [facts, check, text] of faults) {
    const fault = onlyFault(facts);
    assert.equal(fault.check, check);
    assert.equal(fault.level, 'attention');
    assert.match(fault.text, text);
    assert.ok(fault.next !== undefined && fault.next !== '', fault.text);
  }
});

test('one lost datagram in a hundred is no fault, since a cast repairs that', () => {
  assert.ok(judgeHost('pc-1', measured({ heard: 990 })).every(({ level }) => level === 'ok'));
});

test('a host that nobody looked at is no fault, and says how it is looked at', () => {
  const unchecked: readonly (readonly [HostFacts, RegExp])[] = [
    [{ state: 'asleep' }, /^asleep: not checked \(--wake wakes it\)$/],
    [{ state: 'busy', session: 7 }, /^busy with session 7/],
    [{ state: 'pending' }, /approval/],
  ];
  for (const [facts, text] of unchecked) {
    const fault = onlyFault(facts);
    assert.equal(fault.level, 'unchecked');
    assert.match(fault.text, text);
  }
});

test('a host that was woken and did not come, fell silent or failed needs attention', () => {
  const error = { code: 'AGENT_FAILED', message: 'pc-1: no', next: 'Look' } as const;
  for (const facts of [{ state: 'absent' }, { state: 'gone' }, { state: 'failed', error }] as const) {
    assert.equal(onlyFault(facts).level, 'attention');
  }
});
