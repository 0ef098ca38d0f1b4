import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import type { DoctorLine, DoctorRequest } from '#protocol/admin/doctor-api.ts';
import type { CheckResult } from '#protocol/check.ts';
import { KnownError } from '#protocol/errors.ts';
import { Doctor } from '#server/doctor/doctor.ts';
import { limits } from '#server/doctor/limits.ts';
import type { ServerFacts } from '#server/doctor/server-rules.ts';
import { letRun } from '../sessions/held-clock.ts';
import { SessionBench } from '../sessions/session-bench.ts';

const serverFacts: ServerFacts = {
  daemon: 'this',
  socket: '/admin.sock',
  network: { interface: 'eth0', address: '10.77.0.1', broadcast: '10.77.0.255' },
  dhcpMode: 'off',
  receiveBufferBytes: 8e6,
  udpSender: '',
  isClockSynchronised: true,
  bootFilesMissing: { BIOS: [] },
  database: 'good',
  space: { path: '/d', freeBytes: 1e12 },
};

function resultOf(bench: SessionBench, heard: number): CheckResult {
  return {
    ...{ nowMs: bench.clock.nowMs(), interface: 'eth0', mtu: 1500, linkMbit: 1000, hasBroadcast: true, heard },
    ...{ memoryBytes: 1e9, freeMemoryBytes: 1e9, receiveBufferBytes: 8e6 },
    disks: [{ path: '/d', model: 'D', serial: '1', sizeBytes: 1e9, readBytes: 2e8, readMs: 1000 }],
  };
}

class Ward {
  readonly bench: SessionBench;
  readonly doctor: Doctor;
  readonly lines: DoctorLine[] = [];
  probes = 0;

  constructor(t: TestContext) {
    const bench = new SessionBench(t);
    this.bench = bench;
    const { config, hosts, sessions, events, clock } = bench;
    this.doctor = new Doctor({
      ...{ config, hosts, sessions, events, clock },
      waker: { wake: async ({ name }) => void bench.wakes.push(name) },
      network: { interface: 'eth0', address: '10.77.0.1' },
      look: async () => serverFacts,
      send: async () => void this.probes++,
    });
  }

  async begin(
    request: Partial<DoctorRequest> = {},
    signal = new AbortController().signal,
  ): Promise<{ ended: Promise<void> }> {
    const whole: DoctorRequest = { hosts: [], groups: [], wake: false, onDone: 'poweroff', ...request };
    const ended = this.doctor.begin(whole, signal, (line) => this.lines.push(line));
    await letRun();
    return { ended };
  }

  /** What was told of a host, in short. */
  told(host: string): string[] {
    return this.lines.flatMap(({ finding }) => (finding?.host === host ? [`${finding.check} ${finding.level}`] : []));
  }

  /** The agent does the step that it is told. */
  async do(host: string, heard: number): Promise<void> {
    const order = this.bench.order(host);
    assert.equal(order.kind, 'check');
    const isMeasure = order.kind === 'check' && order.step === 'measure';
    this.bench.report(host, { status: 'done', ...(isMeasure ? { checkResult: resultOf(this.bench, heard) } : {}) });
    await letRun();
  }
}

test('all hosts listen before the probe goes out, then each is told of as soon as it has measured itself', async (t) => {
  const ward = new Ward(t);
  ward.bench.addHosts('pc-1', 'pc-2');
  ward.bench.arrive('pc-1', 'pc-2');
  const { ended } = await ward.begin();
  await ward.do('pc-1', 0);
  assert.equal(ward.probes, 0);
  await ward.do('pc-2', 0);
  await ward.bench.clock.advance(2);
  assert.equal(ward.probes, 1);
  await ward.do('pc-1', limits.probeDatagrams);
  assert.ok(ward.told('pc-1').includes('multicast ok'), ward.told('pc-1').join());
  assert.deepEqual([ward.told('pc-2'), ward.bench.told('pc-1')], [[], 'wait']);
  await ward.do('pc-2', 0);
  await ended;
  assert.ok(ward.told('pc-2').includes('multicast attention'));
  assert.deepEqual(ward.lines.at(-1), { done: true });
  assert.equal(ward.bench.told('pc-2'), 'wait');
});

test('a host that sleeps is named and left asleep, one that a session has is busy, and no probe disturbs the session', async (t) => {
  const ward = new Ward(t);
  ward.bench.addHosts('pc-1', 'pc-2', 'pc-3');
  await ward.bench.forget();
  ward.bench.arrive('pc-1', 'pc-2');
  await ward.bench.deploy({ hosts: ['pc-1'] });
  const { ended } = await ward.begin();
  await ward.do('pc-2', 0);
  await ward.do('pc-2', 0);
  await ended;
  assert.deepEqual([ward.told('pc-1'), ward.told('pc-3')], [['host unchecked'], ['host unchecked']]);
  assert.equal(ward.told('pc-2')[0], 'multicast unchecked');
  assert.deepEqual([ward.probes, ward.bench.wakes], [0, []]);
});

test('a host that was woken is released as the admin said, and one that does not come needs attention', async (t) => {
  const ward = new Ward(t);
  ward.bench.addHosts('pc-1', 'pc-2');
  await ward.bench.forget();
  const { ended } = await ward.begin({ hosts: ['pc-1', 'pc-2'], wake: true, onDone: 'poweroff' });
  assert.deepEqual(ward.bench.wakes, ['pc-1', 'pc-2']);
  assert.ok(ward.doctor.isCalled(ward.bench.hostId('pc-1')));
  ward.bench.arrive('pc-1');
  while (ward.told('pc-2').length === 0) {
    ward.bench.hosts.presence.noteSeen(ward.bench.hostId('pc-1'));
    await ward.bench.clock.advance(5);
  }
  assert.deepEqual(ward.told('pc-2'), ['host attention']);
  await ward.do('pc-1', 0);
  await ward.bench.clock.advance(2);
  await ward.do('pc-1', limits.probeDatagrams);
  await ended;
  assert.ok(ward.told('pc-1').includes('multicast ok'));
  assert.equal(ward.bench.told('pc-1'), 'release poweroff');
  assert.ok(!ward.doctor.isCalled(ward.bench.hostId('pc-1')));
});

test('a host whose agent dies meanwhile, or that a session takes, does not hold the others up', async (t) => {
  const ward = new Ward(t);
  ward.bench.addHosts('pc-1', 'pc-2');
  ward.bench.arrive('pc-1', 'pc-2');
  const { ended } = await ward.begin();
  await ward.do('pc-1', 0);
  ward.bench.arrive('pc-1');
  await ward.bench.deploy({ hosts: ['pc-2'] });
  await ward.bench.clock.advance(2);
  // The first says that it listens, and starts anew when it is to measure.
  ward.bench.arrive('pc-1');
  await ended;
  assert.deepEqual([ward.told('pc-1'), ward.told('pc-2')], [['host attention'], ['host unchecked']]);
});

test('there is one doctor at a time, and none is left when its client has gone', async (t) => {
  const ward = new Ward(t);
  ward.bench.addHosts('pc-1');
  ward.bench.arrive('pc-1');
  const client = new AbortController();
  const { ended } = await ward.begin({}, client.signal);
  await assert.rejects(ward.begin(), (error) => error instanceof KnownError && error.code === 'DOCTOR_BUSY');
  client.abort();
  await assert.rejects(ended);
  assert.equal(ward.bench.told('pc-1'), 'wait');
  const again = await ward.begin();
  assert.equal(ward.bench.told('pc-1'), 'check');
  await Promise.all([assert.rejects(again.ended), ward.doctor.stop()]);
});
