import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import type { DeployRequest } from '#protocol/admin/deploy-api.ts';
import { knownError } from '#protocol/errors.ts';
import { FakeDaemon } from './fake-daemon.ts';
import { CliProcess, runCli } from './run-cli.ts';
import { failure, plan, planHost, session, task } from './sample-views.ts';

const refused = planHost('pc-03', failureOf('pc-03'));
const size = { columns: 100, rows: 40 };

test('deploy shows the plan, then starts exactly that plan', async (t) => {
  const daemon = await daemonWith(t, [planHost('pc-01'), planHost('pc-02')]);
  const options = ['--hosts', 'pc-01', '--hosts', 'pc-02', '-g', 'room', '--start', '2,deadline=10m', '--rate', '1G'];
  const result = await deploy(
    daemon,
    '--yes',
    ...options,
    '--disk',
    'size>100G',
    '--on-done',
    'poweroff',
    '--on-failure',
    'reboot',
    '--wake-wave',
    '10',
    '--wake-gap',
    '7s',
    '--waves',
    '1,5,rest',
    '--stop-at-failures',
    '2',
  );
  assert.equal(result.code, 0);
  assert.match(result.out, /^Plan: win11-lab@3/);
  assert.match(result.out, /Session 12: deploy win11-lab@3 to 1 host, gathering\./);
  assert.match(result.out, /Watch: {2}fleetcast session watch 12/);
  const request: DeployRequest = {
    image: 'win11-lab',
    hosts: ['pc-01', 'pc-02'],
    groups: ['room'],
    disk: 'size>100G',
    start: { when: 'count', count: 2, deadlineS: 600 },
    mode: 'multicast',
    maxMbit: 1000,
    verify: 'full',
    delta: 'auto',
    onDone: 'poweroff',
    onFailure: 'reboot',
    wakeWave: 10,
    wakeGapS: 7,
    waves: [1, 5, 'rest'],
    stopAtFailures: 2,
    skipRefused: false,
  };
  assert.deepEqual(
    daemon.calls.map((call) => [call.path, call.body]),
    [
      ['/plans/deploy', request],
      ['/sessions/deploy', { ...request, planId: 'plan-1' }],
    ],
  );
});

test('a dry run stops after the plan, with 11 when a host is refused', async (t) => {
  const good = await daemonWith(t, [planHost('pc-01')]);
  assert.equal((await deploy(good, '--dry-run', '--hosts', 'pc-01')).code, 0);
  const bad = await daemonWith(t, [planHost('pc-01'), refused]);
  assert.equal((await deploy(bad, '--dry-run', '--hosts', 'pc-01,pc-03')).code, 11);
  assert.equal((await deploy(bad, '--dry-run', '--hosts', 'pc-01,pc-03', '--skip-refused')).code, 0);
  const json = await deploy(bad, '--dry-run', '--hosts', 'pc-01,pc-03', '--json');
  assert.equal(json.code, 11);
  assert.equal(JSON.parse(json.out).planId, 'plan-1');
  assert.ok([...good.calls, ...bad.calls].every((call) => call.path === '/plans/deploy'));
});

test('a refused host stops the deployment unless the admin leaves it out', async (t) => {
  const daemon = await daemonWith(t, [planHost('pc-01'), refused]);
  const stopped = await deploy(daemon, '--yes', '--hosts', 'pc-01,pc-03');
  assert.equal(stopped.code, 11);
  assert.match(stopped.out, /Refused, 1 host:\n {2}pc-03 has several disks/);
  assert.match(stopped.err, /1 of the hosts cannot take part\n {2}Next: .*--skip-refused/);
  assert.equal(daemon.calls.length, 1);
  assert.equal((await deploy(daemon, '--yes', '--hosts', 'pc-01,pc-03', '--skip-refused')).code, 0);
});

test('when every host is refused there is nothing to leave out', async (t) => {
  const daemon = await daemonWith(t, [refused]);
  assert.equal((await deploy(daemon, '--yes', '--hosts', 'pc-03', '--skip-refused')).code, 11);
});

test('without a terminal and without --yes nothing is even asked of the daemon', async (t) => {
  const daemon = await daemonWith(t, [planHost('pc-01')]);
  const result = await deploy(daemon, '--hosts', 'pc-01');
  assert.equal(result.code, 2);
  assert.match(result.err, /there is no terminal to ask at: give --yes/);
  assert.equal(daemon.calls.length, 0);
});

test('a plan that changed meanwhile is a conflict with the way on', async (t) => {
  const daemon = await daemonWith(t, [planHost('pc-01')]);
  daemon.onRaw('POST /sessions/deploy', () => {
    throw knownError('PLAN_CHANGED', { what: 'pc-01 has another disk' });
  });
  const result = await deploy(daemon, '--yes', '--hosts', 'pc-01');
  assert.equal(result.code, 11);
  assert.match(
    result.err,
    /The plan changed since it was shown: pc-01 has another disk\n {2}Next: Run the command again/,
  );
});

test('as JSON, deploy prints the session and nothing else', async (t) => {
  const daemon = await daemonWith(t, [planHost('pc-01')]);
  const result = await deploy(daemon, '--yes', '--json', '--hosts', 'pc-01');
  assert.equal(JSON.parse(result.out).sessionId, 12);
  assert.equal(result.out.trim().split('\n').length, 1);
});

test('on a terminal the word yes starts it', async (t) => {
  const daemon = await daemonWith(t, [planHost('pc-01'), planHost('pc-02')]);
  const cli = onTerminal(daemon);
  await cli.printed('Overwrite these 2 disks? Type yes: ');
  cli.child.stdin.write('yes\r');
  assert.equal(await cli.ended, 0);
  assert.ok(daemon.calls.some((call) => call.path === '/sessions/deploy'));
});

for (const [what, keys] of [
  ['Ctrl-C', '\x03'],
  ['Ctrl-D', '\x04'],
  ['any other word', 'y\r'],
] as const) {
  test(`${what} at the question leaves with 130 and starts nothing`, async (t) => {
    const daemon = await daemonWith(t, [planHost('pc-01')]);
    const cli = onTerminal(daemon);
    await cli.printed('Overwrite this disk? Type yes: ');
    cli.child.stdin.write(keys);
    assert.equal(await cli.ended, 130);
    assert.match(cli.out, /Nothing was started, no disk was touched\./);
    assert.ok(daemon.calls.every((call) => call.path === '/plans/deploy'));
  });
}

test('capture asks for the disk by rule and does not wait with --no-watch', async (t) => {
  const daemon = await FakeDaemon.start(t);
  const view = session('gathering', [task('pc-07', 'pending')], { kind: 'capture' });
  daemon.on('POST /sessions/capture', 'session', () => view);
  const args = ['capture', 'pc-07', '--as', 'golden', '--disk', 'serial=X', '--chunk-size', '1M', '--on-done', 'stay'];
  const result = await runCli([...args, '--no-watch', '--socket', daemon.socket]);
  assert.equal(result.code, 0);
  assert.match(result.out, /Watch: {2}fleetcast session watch 12/);
  assert.deepEqual(daemon.calls[0]?.body, {
    ...{ host: 'pc-07', image: 'golden', disk: 'serial=X', chunkBytes: 1_048_576, onDone: 'stay', onFailure: 'stay' },
  });
});

function failureOf(host: string) {
  return { refused: failure('DISK_AMBIGUOUS', { host, rule: 'any', disks: 'sda, sdb' }).error };
}

async function daemonWith(t: TestContext, hosts: ReturnType<typeof planHost>[]): Promise<FakeDaemon> {
  const daemon = await FakeDaemon.start(t);
  return daemon
    .on('POST /plans/deploy', 'plan', () => plan(hosts))
    .on('POST /sessions/deploy', 'session', () => session('gathering', [task('pc-01', 'pending')]));
}

function deploy(daemon: FakeDaemon, ...args: string[]) {
  return runCli(['deploy', 'win11-lab', ...args, '--socket', daemon.socket]);
}

function onTerminal(daemon: FakeDaemon): CliProcess {
  return CliProcess.onTerminal(['deploy', 'win11-lab', '-g', 'room', '--socket', daemon.socket], size);
}

test('a gap between waves needs waves, and both must be sensible', async (t) => {
  const daemon = await daemonWith(t, [planHost('pc-01')]);
  for (const [args, problem] of [
    [['--wake-gap', '5s'], /--wake-gap needs --wake-wave/],
    [['--wake-wave', '0'], /--wake-wave 0 is not a count of hosts/],
    [['--wake-wave', '5', '--wake-gap', '5'], /--wake-gap 5 is not a time like 5s/],
  ] as const) {
    const result = await deploy(daemon, '--yes', '--hosts', 'pc-01', ...args);
    assert.equal(result.code, 2);
    assert.match(result.err, problem);
  }
  assert.equal(daemon.calls.length, 0);
});
