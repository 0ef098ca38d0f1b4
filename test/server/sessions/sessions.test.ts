import assert from 'node:assert/strict';
import { test } from 'node:test';
import { KnownError } from '#protocol/errors.ts';
import { letRun } from './held-clock.ts';
import { CHUNKS, ordinals, SessionBench } from './session-bench.ts';

function isError(code: string) {
  return (error: unknown) => error instanceof KnownError && error.code === code;
}

test('a deployment wakes, gathers, casts once, verifies, finishes and releases', async (t) => {
  const bench = new SessionBench(t);
  bench.addHosts('pc-1', 'pc-2');
  await bench.forget();
  const { sessionId } = await bench.deploy();
  assert.deepEqual(bench.tasks(sessionId), { 'pc-1': 'booting', 'pc-2': 'booting' });
  assert.deepEqual(bench.wakes, ['pc-1', 'pc-2']);

  bench.arrive('pc-1', 'pc-2');
  assert.equal(bench.told('pc-1'), 'prepare');
  await bench.done('pc-1', 'all');
  assert.equal(bench.told('pc-1'), 'hold');
  assert.equal(bench.casts.length, 0);
  await bench.done('pc-2', 'all');
  assert.equal(bench.state(sessionId), 'casting');
  assert.equal(bench.casts.length, 1);
  assert.equal(bench.casts[0]!.options.sender.receivers, 2);
  const order = bench.order('pc-1');
  assert.ok(order.kind === 'deploy' && order.step === 'receive' && order.cast?.frames === CHUNKS);
  assert.equal(order.cast.portBase, bench.casts[0]!.options.sender.portBase);

  await bench.casts[0]!.end('sent');
  assert.equal(bench.told('pc-1'), 'receive', 'the order stays until the host has said what it lacks');
  await bench.done('pc-1', []);
  await bench.done('pc-2', []);
  await bench.verifyAndFinish('pc-1');
  await bench.verifyAndFinish('pc-2');
  const view = bench.sessions.view(sessionId);
  assert.equal(view.state, 'completed');
  assert.equal(view.succeeded, 2);
  assert.equal(view.casts.length, 1);
  assert.equal(bench.told('pc-1'), 'release reboot');
  assert.equal(bench.sessions.running.isCalled(bench.hostId('pc-1')), false);
  await bench.clock.advance(1);
  bench.arrive('pc-1');
  assert.equal(bench.told('pc-1'), 'wait', 'an agent that has booted since has been released');
});

test('hosts that sleep are woken again every wakeIntervalS until their deadline, and only then have they failed', async (t) => {
  const bench = new SessionBench(t);
  bench.addHosts('pc-1');
  await bench.forget();
  const { sessionId } = await bench.deploy();
  await bench.clock.advance(41);
  assert.equal(bench.wakes.length, 3);
  await bench.clock.advance(858);
  assert.deepEqual(bench.tasks(sessionId), { 'pc-1': 'booting' });
  await bench.clock.advance(3);
  assert.equal(bench.state(sessionId), 'failed');
  assert.equal(bench.sessions.view(sessionId).tasks[0]!.error?.code, 'HOST_DID_NOT_COME');
});

test('what few lack goes over HTTP, what many lack is cast again', async (t) => {
  const bench = new SessionBench(t);
  bench.addHosts('pc-1', 'pc-2', 'pc-3');
  const { sessionId } = await bench.deploy();
  for (const name of ['pc-1', 'pc-2', 'pc-3']) await bench.done(name, 'all');
  await bench.casts[0]!.end('sent');
  await bench.done('pc-1', ordinals(0, 60));
  await bench.done('pc-2', ordinals(0, 60));
  assert.equal(bench.told('pc-1'), 'hold');
  await bench.done('pc-3', []);
  assert.equal(bench.casts.length, 2, '60 MiB that two hosts lack are worth a pass');
  await bench.casts[1]!.end('sent');
  await bench.done('pc-1', [5]);
  await bench.done('pc-2', [5, 6]);
  assert.equal(bench.casts.length, 2);
  assert.equal(bench.told('pc-1'), 'repair');
  assert.equal(bench.told('pc-2'), 'repair');
  assert.equal(bench.state(sessionId), 'repairing');
  await bench.done('pc-1', []);
  await bench.done('pc-2', []);
  for (const name of ['pc-1', 'pc-2', 'pc-3']) await bench.verifyAndFinish(name);
  assert.equal(bench.state(sessionId), 'completed');
});

test('a late host gets ready while the others hear the cast, and is served afterwards', async (t) => {
  const bench = new SessionBench(t);
  bench.addHosts('pc-1', 'pc-2');
  await bench.forget();
  const { sessionId } = await bench.deploy({ start: { when: 'count', count: 1 } });
  bench.arrive('pc-1');
  await bench.done('pc-1', 'all');
  assert.equal(bench.casts.length, 1);
  bench.arrive('pc-2');
  await bench.done('pc-2', 'all');
  assert.equal(bench.told('pc-2'), 'hold');
  await bench.casts[0]!.end('sent');
  await bench.done('pc-1', []);
  assert.equal(bench.told('pc-1'), 'verify');
  assert.equal(bench.told('pc-2'), 'repair', 'alone it fetches over HTTP');
  await bench.done('pc-2', []);
  await bench.verifyAndFinish('pc-1');
  await bench.verifyAndFinish('pc-2');
  assert.equal(bench.state(sessionId), 'completed');
});

test('a host that fails does not fail the others', async (t) => {
  const bench = new SessionBench(t);
  bench.addHosts('pc-1', 'pc-2');
  const { sessionId } = await bench.deploy({ verify: 'none' });
  await bench.done('pc-1', 'all');
  const error = { code: 'DISK_WRITE_FAILED', message: 'bad', next: 'mend' } as const;
  bench.report('pc-2', { status: 'failed', error });
  await letRun();
  assert.equal(bench.told('pc-2'), 'release stay');
  await bench.casts[0]!.end('sent');
  await bench.done('pc-1', []);
  assert.equal(bench.told('pc-1'), 'finish', 'verify none skips the verifying');
  await bench.done('pc-1');
  const view = bench.sessions.view(sessionId);
  assert.deepEqual([view.state, view.succeeded, view.failed], ['completed', 1, 1]);
});

test('a host that reboots in mid-task prepares anew, the others go on', async (t) => {
  const bench = new SessionBench(t);
  bench.addHosts('pc-1', 'pc-2');
  const { sessionId } = await bench.deploy();
  await bench.done('pc-1', 'all');
  await bench.done('pc-2', 'all');
  bench.arrive('pc-2');
  assert.equal(bench.told('pc-2'), 'prepare');
  assert.equal(bench.told('pc-1'), 'receive');
  await bench.done('pc-2', 'all');
  await bench.casts[0]!.end('sent');
  await bench.done('pc-1', []);
  assert.equal(bench.told('pc-2'), 'repair');
  assert.deepEqual(bench.tasks(sessionId), { 'pc-1': 'verifying', 'pc-2': 'repairing' });
});

test('a sender that dies sends the hosts back to prepare, and after two such passes the rest goes over HTTP', async (t) => {
  const bench = new SessionBench(t);
  bench.addHosts('pc-1', 'pc-2');
  const { sessionId } = await bench.deploy();
  for (const pass of [0, 1]) {
    await bench.done('pc-1', 'all');
    await bench.done('pc-2', 'all');
    assert.equal(bench.told('pc-1'), 'receive');
    await bench.casts[pass]!.end('failed');
    assert.equal(bench.told('pc-1'), 'prepare');
  }
  await bench.done('pc-1', 'all');
  await bench.done('pc-2', 'all');
  assert.equal(bench.told('pc-1'), 'repair');
  assert.equal(bench.state(sessionId), 'repairing');
  assert.equal(bench.casts.length, 2);
});

test('a host that does not report after the cast is taken out of the pass', async (t) => {
  const bench = new SessionBench(t);
  bench.addHosts('pc-1', 'pc-2');
  const { sessionId } = await bench.deploy();
  await bench.done('pc-1', 'all');
  await bench.done('pc-2', 'all');
  await bench.casts[0]!.end('sent');
  await bench.done('pc-1', []);
  for (let i = 0; i < 44; i++) {
    bench.heartbeat('pc-2');
    await bench.clock.advance(1);
  }
  assert.equal(bench.told('pc-2'), 'receive');
  bench.heartbeat('pc-2');
  await bench.clock.advance(3);
  assert.equal(bench.told('pc-2'), 'prepare');
  assert.equal(bench.state(sessionId), 'repairing');
});

test('a silent host is lost, fails at its deadline, and is called again when it had only prepared', async (t) => {
  const bench = new SessionBench(t);
  bench.addHosts('pc-1', 'pc-2');
  const { sessionId } = await bench.deploy({ mode: 'unicast', start: { when: 'count', count: 1 } });
  await bench.done('pc-1', 'all');
  assert.equal(bench.told('pc-1'), 'repair');
  await bench.clock.advance(32);
  assert.equal(bench.sessions.view(sessionId).tasks[0]!.isLost, true);
  assert.deepEqual(bench.tasks(sessionId), { 'pc-1': 'repairing', 'pc-2': 'booting' });
  await bench.clock.advance(280);
  assert.deepEqual(
    bench.sessions.view(sessionId).tasks.map((task) => task.error?.code),
    ['HOST_LOST', 'HOST_LOST'],
  );
  assert.equal(bench.state(sessionId), 'failed');
});

test('chunks that the store has lost end the task as failed, and the log names them', async (t) => {
  const bench = new SessionBench(t);
  bench.addHosts('pc-1');
  const { sessionId } = await bench.deploy({ mode: 'unicast' });
  await bench.done('pc-1', [3, 4]);
  await bench.done('pc-1', [3]);
  const [task] = bench.sessions.view(sessionId).tasks;
  assert.equal(task!.error?.code, 'IMAGE_DAMAGED');
  assert.match(task!.error.message, /win11 has 1 damaged/);
  assert.ok(
    bench.events.list({ sessionId }).some((event) => event.action === 'damaged' && /Chunk 3 /.test(event.text)),
  );
});

test('an image whose chunks are known to be gone is refused before any disk is touched', async (t) => {
  const bench = new SessionBench(t);
  bench.addHosts('a');
  bench.missingChunks = 3;
  await assert.rejects(bench.deploy(), { code: 'IMAGE_DAMAGED', message: /has 3 damaged or missing chunks/ });
});

test('a disk that reads back wrong is repaired three times and then has failed', async (t) => {
  const bench = new SessionBench(t);
  bench.addHosts('pc-1');
  const { sessionId } = await bench.deploy({ mode: 'unicast' });
  await bench.done('pc-1', []);
  for (let i = 0; i < 3; i++) {
    await bench.done('pc-1', [7]);
    assert.equal(bench.told('pc-1'), 'repair');
    await bench.done('pc-1', []);
  }
  await bench.done('pc-1', [7]);
  assert.equal(bench.sessions.view(sessionId).tasks[0]!.error?.code, 'VERIFY_FAILED');
});

test('cancelling releases the hosts, ends the cast and cannot be done twice', async (t) => {
  const bench = new SessionBench(t);
  bench.addHosts('pc-1', 'pc-2');
  const { sessionId } = await bench.deploy();
  await bench.done('pc-1', 'all');
  await bench.done('pc-2', 'all');
  const view = await bench.sessions.cancel(sessionId);
  assert.equal(view.state, 'cancelled');
  assert.ok(bench.casts[0]!.options.signal.aborted);
  assert.equal(bench.told('pc-1'), 'release reboot');
  assert.equal(bench.sessions.running.count, 0);
  await assert.rejects(bench.sessions.cancel(sessionId), isError('SESSION_ENDED'));
  await bench.clock.advance(5);
  assert.deepEqual(bench.tasks(sessionId), { 'pc-1': 'cancelled', 'pc-2': 'cancelled' });
});

test('two sessions run side by side on their own ports, but never on one host', async (t) => {
  const bench = new SessionBench(t);
  bench.addHosts('pc-1', 'pc-2');
  await bench.deploy({ hosts: ['pc-1'] });
  await bench.deploy({ hosts: ['pc-2'] });
  await bench.done('pc-1', 'all');
  await bench.done('pc-2', 'all');
  assert.equal(bench.casts.length, 2);
  assert.notEqual(bench.casts[0]!.options.sender.portBase, bench.casts[1]!.options.sender.portBase);
  const request = { host: 'pc-1', image: 'x', onDone: 'reboot' } as const;
  await assert.rejects(bench.sessions.startCapture(request), isError('HOST_BUSY'));
  await assert.rejects(bench.deploy({ hosts: ['pc-1'] }), isError('PLAN_REFUSED'));
});

test('a plan that is not the one shown is refused, and start-now begins with whoever is ready', async (t) => {
  const bench = new SessionBench(t);
  bench.addHosts('pc-1', 'pc-2');
  await bench.forget();
  await assert.rejects(bench.deploy({ hosts: [] }), isError('PLAN_EMPTY'));
  await assert.rejects(bench.sessions.startDeploy(bench.request({ planId: 'another' })), isError('PLAN_CHANGED'));
  const { sessionId } = await bench.deploy();
  bench.arrive('pc-1');
  await bench.done('pc-1', 'all');
  assert.equal(bench.state(sessionId), 'gathering');
  bench.sessions.changes.startNow(sessionId);
  await letRun();
  assert.equal(bench.state(sessionId), 'casting');
  assert.throws(() => bench.sessions.changes.startNow(sessionId), isError('SESSION_NOT_GATHERING'));
  assert.throws(() => bench.sessions.changes.startNow(99), isError('SESSION_UNKNOWN'));
});

test('orders keep their rev while nothing changes, and a waiting agent hears of a change at once', async (t) => {
  const bench = new SessionBench(t);
  bench.addHosts('pc-1');
  const idle = bench.order('pc-1');
  assert.deepEqual(bench.order('pc-1'), idle);
  const waiting = bench.sessions.agents.awaitOrder(bench.hostId('pc-1'), idle.rev, new AbortController().signal);
  await bench.deploy();
  const order = await waiting;
  assert.notEqual(order.rev, idle.rev);
  const late = bench.sessions.agents.awaitOrder(
    bench.hostId('pc-1'),
    bench.order('pc-1').rev,
    new AbortController().signal,
  );
  await bench.clock.advance(21);
  assert.equal((await late).rev, bench.order('pc-1').rev);
});

test('a report about an older order moves nothing', async (t) => {
  const bench = new SessionBench(t);
  bench.addHosts('pc-1');
  const { sessionId } = await bench.deploy();
  const order = bench.order('pc-1');
  await bench.done('pc-1', 'all');
  const { rev } = await bench.sessions.agents.report(bench.hostId('pc-1'), { rev: order.rev, status: 'failed' });
  assert.equal(rev, bench.order('pc-1').rev);
  assert.deepEqual(bench.tasks(sessionId), { 'pc-1': 'receiving' });
});

test('a task of another host, or a step that is over, is refused', async (t) => {
  const bench = new SessionBench(t);
  bench.addHosts('pc-1', 'pc-2');
  await bench.deploy();
  const order = bench.order('pc-1');
  assert.ok(order.kind === 'deploy');
  const bytes = Buffer.alloc(4);
  await assert.rejects(
    bench.sessions.taskData.putHoles(bench.hostId('pc-2'), order.taskId, bytes),
    isError('TASK_STALE'),
  );
  await assert.rejects(
    bench.sessions.taskData.putHoles(bench.hostId('pc-1'), order.taskId, bytes),
    isError('INVALID_REQUEST'),
  );
  await assert.rejects(
    bench.sessions.taskData.frames(bench.hostId('pc-1'), order.taskId, bytes, Buffer.alloc(8)),
    isError('TASK_STALE'),
  );
  await assert.rejects(bench.sessions.taskData.readManifest(bench.hostId('pc-1'), 'f00'), isError('DENIED'));
});

test('a capture uploads, makes a version and completes', async (t) => {
  const bench = new SessionBench(t);
  bench.addHosts('pc-1');
  const { sessionId } = await bench.sessions.startCapture({ host: 'pc-1', image: 'new', onDone: 'poweroff' });
  assert.equal(bench.told('pc-1'), 'capture');
  assert.equal(bench.state(sessionId), 'capturing');
  const order = bench.order('pc-1');
  assert.ok(order.kind === 'capture');
  const hostId = bench.hostId('pc-1');
  await bench.sessions.taskData.lacking(hostId, order.taskId, Buffer.alloc(64));
  const answer = await bench.sessions.taskData.manifest(hostId, order.taskId, bench.manifestBytes);
  assert.equal(answer.isNew, true);
  await bench.done('pc-1');
  const view = bench.sessions.view(sessionId);
  assert.deepEqual([view.state, view.version, view.manifestId], ['completed', 1, bench.manifest.id]);
  assert.deepEqual(bench.intakes, ['begin', 'version of new']);
  assert.equal(bench.told('pc-1'), 'release poweroff');
});

test('what the agent warns of at the end of a capture is kept with the version before the task ends', async (t) => {
  const bench = new SessionBench(t);
  bench.addHosts('pc-1');
  const { sessionId } = await bench.sessions.startCapture({ host: 'pc-1', image: 'new', onDone: 'reboot' });
  const order = bench.order('pc-1');
  assert.ok(order.kind === 'capture');
  const hostId = bench.hostId('pc-1');
  await bench.sessions.taskData.manifest(hostId, order.taskId, bench.manifestBytes);
  const captureResult = {
    manifestId: bench.manifest.id,
    usedBytes: 1,
    chunks: 1,
    uploadedChunks: 1,
    uploadedBytes: 1,
    version: 1,
    isNew: true,
    warnings: ['sda2 was taken raw'],
  };
  const reported = bench.sessions.agents.report(hostId, { rev: order.rev, status: 'done', captureResult });
  assert.deepEqual(bench.warnings, ['new@1: sda2 was taken raw']);
  assert.equal(bench.state(sessionId), 'capturing');
  await reported;
  assert.equal(bench.state(sessionId), 'completed');
  await bench.sessions.agents.report(hostId, { rev: order.rev, status: 'done', captureResult });
  assert.equal(bench.warnings.length, 1, 'the same report again is about an older order');
});

test('a capture that fails or is cancelled leaves nothing in the store', async (t) => {
  const bench = new SessionBench(t);
  bench.addHosts('pc-1', 'pc-2');
  for (const name of ['pc-1', 'pc-2']) {
    const { sessionId } = await bench.sessions.startCapture({ host: name, image: 'new', onDone: 'reboot' });
    const order = bench.order(name);
    assert.ok(order.kind === 'capture');
    await bench.sessions.taskData.lacking(bench.hostId(name), order.taskId, Buffer.alloc(32));
    if (name === 'pc-1') await bench.sessions.cancel(sessionId);
    else bench.report(name, { status: 'failed' });
    await letRun();
  }
  assert.deepEqual(bench.intakes, ['begin', 'abort', 'begin', 'abort']);
});

test('after a restart a cast in flight becomes another pass for hosts that keep what they have', async (t) => {
  const bench = new SessionBench(t);
  bench.addHosts('pc-1', 'pc-2');
  const { sessionId } = await bench.deploy();
  await bench.done('pc-1', 'all');
  await bench.done('pc-2', 'all');
  const before = bench.order('pc-1');
  await bench.restart();
  assert.equal(bench.told('pc-1'), 'prepare');
  assert.notEqual(bench.order('pc-1').rev, before.rev);
  await bench.done('pc-1', ordinals(100, 200));
  assert.equal(bench.casts.length, 0, 'it waits for the other one, which prepares too');
  await bench.done('pc-2', ordinals(90, 200));
  assert.equal(bench.casts.length, 1);
  const order = bench.order('pc-1');
  assert.ok(order.kind === 'deploy' && order.cast?.castId === `${sessionId}-2`);
  assert.equal(order.cast.frames, 100, 'what only one of them lacks it fetches itself');
  const [first] = bench.sessions.view(sessionId).casts;
  assert.equal(first!.outcome, 'interrupted');
});

test('before a restarted daemon takes its sessions up, an interrupted pass is already told as ended', async (t) => {
  const bench = new SessionBench(t);
  bench.addHosts('pc-1');
  const { sessionId } = await bench.deploy();
  await bench.done('pc-1', 'all');
  assert.equal(bench.sessions.view(sessionId).casts[0]!.endedAtMs, undefined);
  const restarted = bench.withoutResume();
  const [cast] = restarted.view(sessionId).casts;
  assert.deepEqual([cast!.outcome, cast!.endedAtMs], ['interrupted', bench.clock.nowMs()]);
});

test('a cast whose hosts have all failed ends at once', async (t) => {
  const bench = new SessionBench(t);
  bench.addHosts('pc-1', 'pc-2');
  const { sessionId } = await bench.deploy();
  for (const name of ['pc-1', 'pc-2']) await bench.done(name, 'all');
  bench.report('pc-1', { status: 'failed' });
  await letRun();
  assert.equal(bench.casts[0]!.options.signal.aborted, false, 'pc-2 still hears it');
  bench.report('pc-2', { status: 'failed' });
  await letRun();
  assert.equal(bench.casts[0]!.options.signal.aborted, true);
  const view = bench.sessions.view(sessionId);
  assert.deepEqual([view.state, view.casts[0]!.outcome], ['failed', 'no host hears it any more']);
});

test('a cast whose last host is lost ends before udp-sender would drop it, and the host is called again', async (t) => {
  const bench = new SessionBench(t);
  bench.addHosts('pc-1', 'pc-2');
  const { sessionId } = await bench.deploy();
  for (const name of ['pc-1', 'pc-2']) await bench.done(name, 'all');
  bench.report('pc-1', { status: 'failed' });
  await bench.clock.advance(29);
  assert.equal(bench.casts[0]!.options.signal.aborted, false);
  await bench.clock.advance(3);
  assert.equal(bench.casts[0]!.options.signal.aborted, true);
  assert.deepEqual(bench.tasks(sessionId), { 'pc-1': 'failed', 'pc-2': 'booting' });
});

test('a host that has it all does not end the cast under the others', async (t) => {
  const bench = new SessionBench(t);
  bench.addHosts('pc-1', 'pc-2');
  await bench.deploy();
  for (const name of ['pc-1', 'pc-2']) await bench.done(name, 'all');
  await bench.done('pc-1', []);
  await bench.done('pc-2', []);
  assert.equal(bench.casts[0]!.options.signal.aborted, false);
});

test('a host that was rebooted in the middle of a cast does not keep it alive', async (t) => {
  const bench = new SessionBench(t);
  bench.addHosts('pc-1');
  const { sessionId } = await bench.deploy();
  await bench.done('pc-1', 'all');
  bench.arrive('pc-1');
  await bench.clock.advance(1);
  assert.equal(bench.casts[0]!.options.signal.aborted, true);
  await bench.done('pc-1', 'all');
  await bench.clock.advance(16);
  assert.equal(bench.state(sessionId), 'repairing');
});

test('after a restart every step goes on with the same order', async (t) => {
  const bench = new SessionBench(t);
  bench.addHosts('pc-1');
  const { sessionId } = await bench.deploy({ mode: 'unicast' });
  const steps: [told: string, lacking: number[] | undefined][] = [
    ['prepare', [1, 2]],
    ['repair', []],
    ['verify', []],
    ['finish', undefined],
  ];
  for (const [told, lacking] of steps) {
    const before = bench.order('pc-1');
    await bench.restart();
    assert.equal(bench.told('pc-1'), told);
    assert.equal(bench.order('pc-1').rev, before.rev);
    await bench.done('pc-1', lacking);
  }
  assert.equal(bench.state(sessionId), 'completed');
  assert.equal(bench.told('pc-1'), 'release reboot');
});

test('hosts that were silent only because the daemon was away are not lost', async (t) => {
  const bench = new SessionBench(t);
  bench.addHosts('pc-1');
  const { sessionId } = await bench.deploy({ mode: 'unicast' });
  await bench.done('pc-1', [1]);
  await bench.sessions.stop();
  await bench.clock.advance(1000);
  await bench.restart();
  await bench.clock.advance(2);
  assert.deepEqual(bench.tasks(sessionId), { 'pc-1': 'repairing' });
});

test('after a restart a capture begins again as a new order', async (t) => {
  const bench = new SessionBench(t);
  bench.addHosts('pc-1');
  await bench.sessions.startCapture({ host: 'pc-1', image: 'new', onDone: 'reboot' });
  const before = bench.order('pc-1');
  await bench.restart();
  assert.equal(bench.told('pc-1'), 'capture');
  assert.notEqual(bench.order('pc-1').rev, before.rev);
});

test('every move of a session and of a task is in the audit log', async (t) => {
  const bench = new SessionBench(t);
  bench.addHosts('pc-1');
  const { sessionId } = await bench.deploy({ mode: 'unicast' });
  await bench.done('pc-1', []);
  await bench.verifyAndFinish('pc-1');
  const actions = bench.events.list({ sessionId }).map((event) => `${event.subject} ${event.action}`);
  assert.deepEqual(actions, [
    'session created',
    'task booting',
    'task preparing',
    'session gathering',
    'task ready',
    'session repairing',
    'task verifying',
    'session finishing',
    'task finishing',
    'task succeeded',
    'session completed',
  ]);
});

test('a host that was just told to reboot is woken for its next session, not taken for present', async (t) => {
  const bench = new SessionBench(t);
  bench.addHosts('pc-1');
  await bench.sessions.startCapture({ host: 'pc-1', image: 'new', onDone: 'poweroff' });
  await bench.done('pc-1');
  const order = await bench.sessions.agents.awaitOrder(bench.hostId('pc-1'), '', new AbortController().signal);
  assert.equal(order.kind, 'release');
  const { sessionId } = await bench.deploy();
  assert.deepEqual(bench.tasks(sessionId), { 'pc-1': 'booting' });
  assert.deepEqual(bench.wakes, ['pc-1']);
  bench.arrive('pc-1');
  assert.equal(bench.told('pc-1'), 'prepare');
});

test('hosts are woken in waves, and one of a late wave is not late before it was called', async (t) => {
  const bench = new SessionBench(t);
  bench.addHosts('pc-1', 'pc-2', 'pc-3');
  bench.config.session.gatherDeadlineS = 60;
  await bench.restart();
  await bench.forget();
  const { sessionId } = await bench.deploy({ wakeWave: 1, wakeGapS: 50 });
  assert.deepEqual(bench.wakes, ['pc-1']);
  await bench.clock.advance(51);
  assert.deepEqual(bench.wakes, ['pc-1', 'pc-2'], 'pc-1 does not answer, and waits until everybody was called');
  await bench.clock.advance(51);
  assert.deepEqual(bench.wakes, ['pc-1', 'pc-2', 'pc-3']);
  assert.deepEqual(bench.tasks(sessionId), { 'pc-1': 'failed', 'pc-2': 'booting', 'pc-3': 'booting' });
  bench.arrive('pc-3');
  await bench.clock.advance(15);
  assert.deepEqual(bench.tasks(sessionId), { 'pc-1': 'failed', 'pc-2': 'failed', 'pc-3': 'preparing' });
  const view = bench.sessions.view(sessionId);
  assert.deepEqual([view.wakeWave, view.wakeGapS], [1, 50]);
});

test('a host that has failed does what the session says, also after a restart', async (t) => {
  const bench = new SessionBench(t);
  bench.addHosts('pc-1', 'pc-2');
  const { sessionId } = await bench.deploy({ onFailure: 'poweroff', hosts: ['pc-1'] });
  await bench.deploy({ hosts: ['pc-2'] });
  for (const name of ['pc-1', 'pc-2']) bench.report(name, { status: 'failed' });
  await letRun();
  assert.deepEqual([bench.told('pc-1'), bench.told('pc-2')], ['release poweroff', 'release stay']);
  const before = bench.order('pc-1');
  bench.database
    .prepare('INSERT INTO agent_token (token_hash, host_id, created_ms) VALUES (randomblob(32), ?, ?)')
    .run(bench.hostId('pc-1'), bench.clock.nowMs() - 1);
  await bench.restart();
  assert.deepEqual(bench.order('pc-1'), before);
  assert.equal(bench.sessions.view(sessionId).onFailure, 'poweroff');
});

test('a host whose capture has failed does what the session says, and one that is released is off when the room was to be', async (t) => {
  const bench = new SessionBench(t);
  bench.addHosts('pc-1', 'pc-2');
  const capture = { image: 'new', onDone: 'reboot', onFailure: 'poweroff' } as const;
  const first = await bench.sessions.startCapture({ host: 'pc-1', ...capture });
  bench.report('pc-1', { status: 'failed' });
  const { sessionId } = await bench.deploy({ hosts: ['pc-2'], onDone: 'poweroff' });
  await bench.sessions.cancel(sessionId);
  assert.deepEqual([bench.told('pc-1'), bench.told('pc-2')], ['release poweroff', 'release poweroff']);
  assert.equal(bench.sessions.view(first.sessionId).onFailure, 'poweroff');
});

test('a host in the agent is told to switch off until its agent starts anew', async (t) => {
  const bench = new SessionBench(t);
  bench.addHosts('pc-1', 'pc-2');
  assert.equal(bench.sessions.power.order('pc-1', 'poweroff').name, 'pc-1');
  const before = bench.order('pc-1');
  assert.deepEqual([bench.told('pc-1'), bench.told('pc-2')], ['release poweroff', 'wait']);
  bench.sessions.power.order('pc-1', 'poweroff');
  assert.equal(bench.order('pc-1').rev, before.rev);
  const told = await bench.sessions.agents.awaitOrder(bench.hostId('pc-1'), '', new AbortController().signal);
  assert.deepEqual(told, before);
  assert.throws(() => bench.sessions.power.order('pc-1', 'reboot'), { code: 'HOST_AWAY' }, 'it has left');
  bench.arrive('pc-1');
  assert.equal(bench.told('pc-1'), 'wait');
  assert.deepEqual(
    bench.events.list({ hostId: bench.hostId('pc-1') }).filter(({ action }) => action === 'poweroff')[0]?.text,
    'pc-1 is told to switch off',
  );
});

test('an agent that waits for its order hears of the wish at once', async (t) => {
  const bench = new SessionBench(t);
  bench.addHosts('pc-1');
  const waiting = bench.sessions.agents.awaitOrder(
    bench.hostId('pc-1'),
    bench.order('pc-1').rev,
    new AbortController().signal,
  );
  bench.sessions.power.order('pc-1', 'reboot');
  const order = await waiting;
  assert.ok(order.kind === 'release' && order.action === 'reboot');
});

test('a host of a session or without its agent is not switched; a task ends the wish', async (t) => {
  const bench = new SessionBench(t);
  bench.addHosts('pc-1', 'pc-2');
  bench.sessions.power.order('pc-1', 'reboot');
  await bench.deploy({ hosts: ['pc-1'], onDone: 'stay', mode: 'unicast' });
  assert.equal(bench.told('pc-1'), 'prepare');
  assert.throws(() => bench.sessions.power.order('pc-1', 'poweroff'), { code: 'HOST_BUSY' });
  await bench.done('pc-1', []);
  await bench.verifyAndFinish('pc-1');
  assert.equal(bench.told('pc-1'), 'release stay');
  bench.sessions.power.order('pc-1', 'poweroff');
  assert.equal(bench.told('pc-1'), 'release poweroff');
  await bench.forget();
  assert.throws(() => bench.sessions.power.order('pc-2', 'poweroff'), { code: 'HOST_AWAY' });
  assert.throws(() => bench.sessions.power.order('pc-3', 'poweroff'), { code: 'HOST_UNKNOWN' });
});
