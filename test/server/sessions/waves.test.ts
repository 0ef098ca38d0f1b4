import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import type { SessionView } from '#protocol/admin/session-api.ts';
import { assignWaves, decideWave, waveProblem } from '#server/sessions/waves.ts';
import { letRun } from './held-clock.ts';
import { SessionBench } from './session-bench.ts';

const error = { code: 'DISK_WRITE_FAILED', message: 'bad', next: 'mend' } as const;

test('the last size of a wave holds for all waves after it', () => {
  assert.deepEqual(assignWaves([1, 2, 'rest'], 6), [1, 2, 2, 3, 3, 3]);
  assert.deepEqual(assignWaves([1, 2], 6), [1, 2, 2, 3, 3, 4]);
  assert.deepEqual(assignWaves([5, 'rest'], 3), [1, 1, 1]);
  assert.deepEqual(assignWaves(['rest'], 2), [1, 1]);
});

test('nothing comes after the rest, and a wave that is not verified proves nothing', () => {
  assert.equal(waveProblem([1, 5, 'rest'], 'full'), undefined);
  assert.match(waveProblem(['rest', 5], 'full')!, /nothing comes after/);
  assert.match(waveProblem([1, 'rest'], 'none')!, /proves nothing/);
});

test('a wave follows when the one before has ended with a host that is done, and failures stop it at once', () => {
  const facts = { waiting: 3, failed: 0, succeeded: 1, running: 0, stopAtFailures: 2 };
  assert.equal(decideWave(facts), 'next');
  assert.equal(decideWave({ ...facts, running: 1 }), undefined);
  assert.equal(decideWave({ ...facts, failed: 1 }), 'next');
  assert.equal(decideWave({ ...facts, failed: 2, running: 1 }), 'failures');
  assert.equal(decideWave({ ...facts, succeeded: 0 }), 'nobody');
  assert.equal(decideWave({ ...facts, failed: 2, waiting: 0 }), undefined);
});

const names = ['pc-1', 'pc-2', 'pc-3', 'pc-4'];

async function inWaves(t: TestContext, stopAtFailures = 1): Promise<{ bench: SessionBench; sessionId: number }> {
  const bench = new SessionBench(t);
  bench.addHosts(...names);
  await bench.forget();
  const { sessionId } = await bench.deploy({ waves: [1, 2, 'rest'], stopAtFailures });
  return { bench, sessionId };
}

/** A whole wave, from power-on to the end of its hosts. */
async function doWave(bench: SessionBench, hosts: readonly string[]): Promise<void> {
  const cast = bench.casts.length;
  bench.arrive(...hosts);
  for (const host of hosts) await bench.done(host, 'all');
  assert.equal(bench.casts.length, cast + 1, 'each wave has its own cast');
  await bench.casts[cast]!.end('sent');
  for (const host of hosts) await bench.done(host, []);
  for (const host of hosts) {
    assert.equal(bench.told(host), 'verify');
    await bench.done(host, []);
    await bench.done(host);
  }
  await letRun();
}

function states({ tasks }: SessionView): string[] {
  return tasks.map(({ state }) => state);
}

test('a wave is done, verified, before any host of the next is woken', async (t) => {
  const { bench, sessionId } = await inWaves(t);
  assert.deepEqual(bench.wakes, ['pc-1']);
  assert.equal(
    bench.sessions.running.isCalled(bench.hostId('pc-4')),
    false,
    'a host of a later wave boots its own disk',
  );
  await doWave(bench, ['pc-1']);
  const second = bench.sessions.view(sessionId);
  assert.deepEqual([second.state, second.wave, second.waveCount], ['gathering', 2, 3]);
  assert.deepEqual(states(second), ['succeeded', 'booting', 'booting', 'pending']);
  assert.deepEqual(bench.wakes, ['pc-1', 'pc-2', 'pc-3']);
  await doWave(bench, ['pc-2', 'pc-3']);
  assert.deepEqual(bench.wakes, names);
  await doWave(bench, ['pc-4']);
  const end = bench.sessions.view(sessionId);
  assert.deepEqual([end.state, end.succeeded, end.casts.length], ['completed', 4, 3]);
});

test('when failures reach the limit the hosts that wait are free again, untouched, and the wave goes on', async (t) => {
  const { bench, sessionId } = await inWaves(t, 1);
  await doWave(bench, ['pc-1']);
  bench.arrive('pc-2', 'pc-3');
  bench.report('pc-2', { status: 'failed', error });
  await bench.done('pc-3', 'all');
  const view = bench.sessions.view(sessionId);
  assert.deepEqual(states(view), ['succeeded', 'failed', 'receiving', 'cancelled']);
  const stopped = view.tasks[3]!.error!;
  assert.equal(stopped.code, 'WAVES_STOPPED');
  assert.equal(stopped.message, 'pc-4 was not touched: 1 host has failed up to wave 2 (the limit is 1)');
  assert.equal(bench.sessions.running.sessionOf(bench.hostId('pc-4')), undefined);
  await bench.casts[1]!.end('sent');
  for (let step = 0; step < 2; step++) await bench.done('pc-3', []);
  await bench.done('pc-3');
  const end = bench.sessions.view(sessionId);
  assert.deepEqual([end.state, end.succeeded, end.failed], ['completed', 2, 1]);
  assert.ok(bench.events.list({ sessionId }).some(({ action }) => action === 'waves-stopped'));
});

test('a wave of which no host is done stops the next one, whatever the limit', async (t) => {
  const { bench, sessionId } = await inWaves(t, 3);
  bench.arrive('pc-1');
  bench.report('pc-1', { status: 'failed', error });
  await letRun();
  const view = bench.sessions.view(sessionId);
  assert.deepEqual([view.state, view.failed], ['failed', 1]);
  assert.match(view.tasks[1]!.error!.message, /pc-2 was not touched: no host of wave 1 is done/);
  assert.deepEqual(bench.wakes, ['pc-1']);
});

test('a restart keeps the wave, and a host that is added comes with the last one', async (t) => {
  const { bench, sessionId } = await inWaves(t);
  await doWave(bench, ['pc-1']);
  await bench.restart();
  const view = bench.sessions.view(sessionId);
  assert.deepEqual([view.wave, states(view)], [2, ['succeeded', 'booting', 'booting', 'pending']]);
  bench.addHosts('pc-5');
  const added = { hosts: ['pc-5'], groups: [], skipRefused: false };
  const { planId } = await bench.sessions.changes.planAdd(sessionId, added);
  await bench.sessions.changes.add(sessionId, { ...added, planId });
  assert.deepEqual(
    bench.sessions.view(sessionId).tasks.map(({ wave }) => wave),
    [1, 2, 2, 3, 3],
  );
  await doWave(bench, ['pc-2', 'pc-3']);
  await doWave(bench, ['pc-4', 'pc-5']);
  assert.equal(bench.state(sessionId), 'completed');
});

test('the plan shows the waves of the hosts that take part, and refuses what makes no sense', async (t) => {
  const bench = new SessionBench(t);
  bench.addHosts(...names);
  const plan = await bench.sessions.planDeploy(bench.request({ waves: [1, 'rest'] }));
  assert.deepEqual(
    plan.hosts.map(({ wave }) => wave),
    [1, 2, 2, 2],
  );
  assert.match(plan.expectedBecause, /^2 waves one after the other/);
  await assert.rejects(bench.sessions.planDeploy(bench.request({ waves: [1], verify: 'none' })), {
    code: 'WAVES_INVALID',
  });
});
