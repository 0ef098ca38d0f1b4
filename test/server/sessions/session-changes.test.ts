import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import type { DeployRequest } from '#protocol/admin/deploy-api.ts';
import type { AddedHosts } from '#protocol/admin/session-change-api.ts';
import { letRun } from './held-clock.ts';
import { SessionBench } from './session-bench.ts';

async function benchWith(t: TestContext, ...names: string[]): Promise<SessionBench> {
  const bench = new SessionBench(t);
  bench.addHosts(...names);
  return bench;
}

async function add(bench: SessionBench, sessionId: number, fields: Partial<AddedHosts>) {
  const added = { hosts: [], groups: [], skipRefused: false, ...fields };
  const { planId } = await bench.sessions.changes.planAdd(sessionId, added);
  const view = await bench.sessions.changes.add(sessionId, { ...added, planId });
  await letRun();
  return view;
}

/** From ready, with nothing lacking, to the end. */
async function end(bench: SessionBench, name: string): Promise<void> {
  await bench.done(name, []);
  await bench.done(name);
}

test('the start policy may be changed while a session gathers, and survives a restart', async (t) => {
  const bench = await benchWith(t, 'pc-1', 'pc-2', 'pc-3');
  await bench.forget();
  const { sessionId } = await bench.deploy();
  bench.arrive('pc-1');
  await bench.done('pc-1', 'all');
  const view = bench.sessions.changes.set(sessionId, { start: { when: 'count', count: 2 } });
  assert.deepEqual(view.start, { when: 'count', count: 2 });
  await bench.restart();
  assert.deepEqual(bench.sessions.view(sessionId).start, { when: 'count', count: 2 });
  assert.equal(bench.state(sessionId), 'gathering');
  bench.arrive('pc-1', 'pc-2');
  await bench.done('pc-1', 'all');
  await bench.done('pc-2', 'all');
  assert.equal(bench.state(sessionId), 'casting');
  assert.throws(() => bench.sessions.changes.set(sessionId, { start: { when: 'all' } }), {
    code: 'SESSION_NOT_GATHERING',
  });
  assert.ok(bench.events.list({ sessionId }).some(({ action }) => action === 'start-set'));
});

test('a deadline that is set while a session gathers counts from then on, and takes back a "start now"', async (t) => {
  const bench = await benchWith(t, 'pc-1', 'pc-2');
  await bench.forget();
  const { sessionId } = await bench.deploy();
  bench.sessions.changes.startNow(sessionId);
  await bench.clock.advance(100);
  bench.sessions.changes.set(sessionId, { start: { when: 'all', deadlineS: 30 } });
  bench.arrive('pc-1');
  await bench.done('pc-1', 'all');
  assert.equal(bench.state(sessionId), 'gathering');
  for (let second = 0; second < 31; second++) {
    bench.heartbeat('pc-1');
    await bench.clock.advance(1);
  }
  assert.equal(bench.state(sessionId), 'casting');
});

test('a host added in mid-cast gets ready meanwhile and is served afterwards, also after a restart', async (t) => {
  const bench = await benchWith(t, 'pc-1', 'pc-2', 'pc-3');
  const { sessionId } = await bench.deploy({ hosts: ['pc-1', 'pc-2'] });
  await bench.done('pc-1', 'all');
  await bench.done('pc-2', 'all');
  assert.equal(bench.state(sessionId), 'casting');
  const view = await add(bench, sessionId, { hosts: ['pc-3'] });
  assert.deepEqual(
    view.tasks.map(({ host }) => host),
    ['pc-1', 'pc-2', 'pc-3'],
  );
  assert.equal(bench.told('pc-3'), 'prepare');
  await bench.done('pc-3', 'all');
  assert.equal(bench.told('pc-3'), 'hold');
  assert.equal(bench.casts[0]!.options.signal.aborted, false, 'the others go on');
  await bench.restart();
  for (const name of ['pc-1', 'pc-2', 'pc-3']) {
    bench.arrive(name);
    await bench.done(name, []);
  }
  for (const name of ['pc-1', 'pc-2', 'pc-3']) await end(bench, name);
  assert.equal(bench.state(sessionId), 'completed');
  assert.equal(bench.sessions.view(sessionId).succeeded, 3);
});

test('a host that is added gets its disk by the rule of the session, or by its own', async (t) => {
  const bench = await benchWith(t, 'pc-1', 'pc-2');
  const { sessionId } = await bench.deploy({ hosts: ['pc-1'], disk: 'serial=D-pc-1' });
  const added = { hosts: ['pc-2'], groups: [], skipRefused: false };
  const plan = await bench.sessions.changes.planAdd(sessionId, added);
  assert.equal(plan.hosts[0]!.refused?.code, 'DISK_NONE');
  await assert.rejects(add(bench, sessionId, added), { code: 'PLAN_REFUSED' });
  await add(bench, sessionId, { hosts: ['pc-2'], disk: 'serial=D-pc-2' });
  assert.deepEqual(bench.tasks(sessionId), { 'pc-1': 'preparing', 'pc-2': 'preparing' });
});

test('adding passes over hosts that are in the session, and refuses those of another and another plan', async (t) => {
  const bench = await benchWith(t, 'pc-1', 'pc-2', 'pc-3');
  const { sessionId } = await bench.deploy({ hosts: ['pc-1'] });
  await bench.deploy({ hosts: ['pc-2'] });
  await assert.rejects(add(bench, sessionId, { hosts: ['pc-1'] }), { code: 'SESSION_HAS_HOSTS' });
  await assert.rejects(add(bench, sessionId, { hosts: ['pc-2'] }), { code: 'PLAN_REFUSED' });
  const other = { hosts: ['pc-3'], groups: [], skipRefused: false, planId: 'another' };
  await assert.rejects(bench.sessions.changes.add(sessionId, other), { code: 'PLAN_CHANGED' });
  const view = await add(bench, sessionId, { hosts: ['pc-1', 'pc-2', 'pc-3'], skipRefused: true });
  assert.deepEqual(
    view.tasks.map(({ host }) => host),
    ['pc-1', 'pc-3'],
  );
});

test('a capture takes no further hosts, and waits for no start', async (t) => {
  const bench = await benchWith(t, 'pc-1', 'pc-2');
  const { sessionId } = await bench.sessions.startCapture({ host: 'pc-1', image: 'x', onDone: 'reboot' });
  await assert.rejects(async () => add(bench, sessionId, { hosts: ['pc-2'] }), {
    code: 'SESSION_NOT_DEPLOY',
    message: `Session ${sessionId} is a capture: its hosts and its start are fixed`,
  });
  assert.throws(() => bench.sessions.changes.startNow(sessionId), { code: 'SESSION_NOT_DEPLOY' });
});

test('an image that is captured must have a name that can be', async (t) => {
  const bench = await benchWith(t, 'pc-1');
  const capture = bench.sessions.startCapture({ host: 'pc-1', image: 'win 11', onDone: 'reboot' });
  await assert.rejects(capture, { code: 'NAME_INVALID', message: 'win 11 is not a valid image name' });
});

/** Brings pc-1 and pc-2 into the state, all by reports of their agents. */
const roads: Readonly<Record<string, (bench: SessionBench) => Promise<void>>> = {
  booting: async () => {},
  preparing: async (bench) => bench.arrive('pc-1'),
  ready: async (bench) => {
    bench.arrive('pc-1');
    await bench.done('pc-1', 'all');
  },
  receiving: async (bench) => {
    bench.arrive('pc-1', 'pc-2');
    await bench.done('pc-1', 'all');
    await bench.done('pc-2', 'all');
  },
  repairing: async (bench) => {
    await roads.receiving!(bench);
    await bench.casts[0]!.end('sent');
    await bench.done('pc-1', [3]);
    await bench.done('pc-2', []);
  },
  verifying: async (bench) => {
    await roads.receiving!(bench);
    await bench.done('pc-1', []);
  },
  finishing: async (bench) => {
    await roads.verifying!(bench);
    await bench.done('pc-1', []);
  },
};

for (const [state, reach] of Object.entries(roads)) {
  test(`a host is taken out while ${state}, and the other one is done`, async (t) => {
    const bench = await benchWith(t, 'pc-1', 'pc-2');
    await bench.forget();
    const { sessionId } = await bench.deploy();
    await reach(bench);
    assert.equal(bench.tasks(sessionId)['pc-1'], state);
    bench.sessions.changes.remove(sessionId, ['pc-1']);
    await letRun();
    assert.equal(bench.sessions.view(sessionId).tasks[0]!.error?.code, 'HOST_REMOVED');
    assert.equal(bench.sessions.running.isCalled(bench.hostId('pc-1')), false);
    if (bench.tasks(sessionId)['pc-2'] === 'booting') bench.arrive('pc-2');
    if (bench.told('pc-2') === 'prepare') await bench.done('pc-2', 'all');
    if (bench.told('pc-2') === 'receive') await bench.done('pc-2', []);
    await end(bench, 'pc-2');
    await bench.casts.at(-1)?.end('sent');
    assert.equal(bench.state(sessionId), 'completed');
    assert.deepEqual(bench.tasks(sessionId), { 'pc-1': 'cancelled', 'pc-2': 'succeeded' });
  });
}

test('when the only host that heard the cast is taken out the cast ends', async (t) => {
  const bench = await benchWith(t, 'pc-1');
  const { sessionId } = await bench.deploy();
  await bench.done('pc-1', 'all');
  const view = bench.sessions.changes.remove(sessionId, ['pc-1']);
  assert.match(view.tasks[0]!.error!.message, /on its disk: half-written by session 1 /);
  await letRun();
  assert.ok(bench.casts[0]!.options.signal.aborted);
  assert.equal(bench.state(sessionId), 'cancelled', 'nothing has failed');
  assert.equal(bench.told('pc-1'), 'release reboot');
});

test('hosts are taken out all or none, once, and only while they have a task', async (t) => {
  const bench = await benchWith(t, 'pc-1', 'pc-2', 'pc-3');
  const fields: Partial<DeployRequest> = { hosts: ['pc-1', 'pc-2'] };
  const { sessionId } = await bench.deploy(fields);
  const { changes } = bench.sessions;
  assert.throws(() => changes.remove(sessionId, ['pc-1', 'pc-3']), { code: 'HOST_NOT_IN_SESSION' });
  assert.throws(() => changes.remove(sessionId, ['pc-9']), { code: 'HOST_UNKNOWN' });
  assert.deepEqual(bench.tasks(sessionId), { 'pc-1': 'preparing', 'pc-2': 'preparing' });
  changes.remove(sessionId, ['pc-1', 'pc-1']);
  assert.throws(() => changes.remove(sessionId, ['pc-1']), { code: 'HOST_NOT_IN_SESSION' });
});

test('a host that was taken out may come back, and counts once', async (t) => {
  const bench = await benchWith(t, 'pc-1', 'pc-2');
  const { sessionId } = await bench.deploy({ mode: 'unicast' });
  bench.sessions.changes.remove(sessionId, ['pc-1']);
  await add(bench, sessionId, { hosts: ['pc-1'] });
  assert.deepEqual(bench.tasks(sessionId), { 'pc-1': 'preparing', 'pc-2': 'preparing' });
  for (const name of ['pc-1', 'pc-2']) await bench.done(name, []);
  for (const name of ['pc-1', 'pc-2']) await end(bench, name);
  const view = bench.sessions.view(sessionId);
  assert.deepEqual([view.state, view.succeeded, view.failed, view.tasks.length], ['completed', 2, 0, 2]);
});
