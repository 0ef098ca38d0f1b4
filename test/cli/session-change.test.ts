import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { FakeDaemon } from './fake-daemon.ts';
import { runCli } from './run-cli.ts';
import { plan, planHost, session, task } from './sample-views.ts';

const running = session('casting', [task('pc-01', 'receiving')]);

async function daemonWith(t: TestContext): Promise<FakeDaemon> {
  const daemon = await FakeDaemon.start(t);
  return daemon
    .on('POST /sessions/12/set', 'session', () =>
      session('gathering', [task('pc-01', 'ready')], { start: { when: 'now' } }),
    )
    .on('POST /plans/sessions/12/add', 'plan', () => plan([planHost('pc-02')]))
    .on('POST /sessions/12/add', 'session', () => running)
    .on('POST /sessions/12/remove', 'session', () => running);
}

function run(daemon: FakeDaemon, ...args: string[]) {
  return runCli(['--socket', daemon.socket, 'session', ...args]);
}

test('session set changes when the cast begins, and says when that is', async (t) => {
  const daemon = await daemonWith(t);
  const result = await run(daemon, 'set', '12', '--start', '5,deadline=10m,2');
  assert.equal(result.code, 0);
  assert.match(result.out, /The cast starts at once with whoever is ready/);
  assert.deepEqual(daemon.calls[0]!.body, { start: { when: 'count', count: 5, deadlineS: 600, atLeast: 2 } });
  const nothing = await run(daemon, 'set', '12');
  assert.equal(nothing.code, 2);
  assert.match(nothing.err, /Say what to change: --start/);
});

test('session add shows the plan and adds just that, and asks unless --yes is given', async (t) => {
  const daemon = await daemonWith(t);
  const result = await run(daemon, 'add', '12', '--hosts', 'pc-02', '-g', 'room', '--disk', 'size>1G', '--yes');
  assert.equal(result.code, 0);
  assert.match(result.out, /^Plan: win11-lab@3/);
  const added = { hosts: ['pc-02'], groups: ['room'], disk: 'size>1G', skipRefused: false };
  assert.deepEqual(
    daemon.calls.map(({ path, body }) => [path, body]),
    [
      ['/plans/sessions/12/add', added],
      ['/sessions/12/add', { ...added, planId: 'plan-1' }],
    ],
  );
  const unasked = await run(daemon, 'add', '12', '--hosts', 'pc-02');
  assert.equal(unasked.code, 2);
  assert.match(unasked.err, /give --yes/);
  assert.match((await run(daemon, 'add', '12', '--yes')).err, /No host is named/);
});

test('session remove names the hosts that were taken out', async (t) => {
  const daemon = await daemonWith(t);
  const result = await run(daemon, 'remove', '12', '--hosts', 'pc-02,pc-03');
  assert.equal(result.code, 0);
  assert.match(result.out, /casting; taken out: pc-02, pc-03\./);
  assert.deepEqual(daemon.calls[0]!.body, { hosts: ['pc-02', 'pc-03'] });
  assert.equal((await run(daemon, 'remove', '12')).code, 2);
});
