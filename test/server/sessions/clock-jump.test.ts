/** Somebody sets the clock of the server while sessions run: nothing that takes time may notice. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { TokenTable } from '#server/db/token-table.ts';
import { ordinals, SessionBench } from './session-bench.ts';

const HOUR_MS = 3600_000;

for (const [way, ms] of [
  ['forward', HOUR_MS],
  ['back', -HOUR_MS],
] as const) {
  test(`a clock that is set ${way} by an hour at every step loses no host and holds nothing up`, async (t) => {
    const bench = new SessionBench(t);
    bench.addHosts('pc-1', 'pc-2');
    const sayHello = () =>
      new TokenTable(bench.database).putAgent(randomBytes(32), bench.hostId('pc-1'), bench.clock.nowMs(), undefined);
    sayHello();
    const { sessionId } = await bench.deploy();
    const jump = async () => {
      bench.clock.jump(ms);
      await bench.clock.advance(2);
    };
    await jump();
    assert.deepEqual(bench.tasks(sessionId), { 'pc-1': 'preparing', 'pc-2': 'preparing' });
    await bench.done('pc-1', 'all');
    await bench.done('pc-2', 'all');
    await jump();
    assert.deepEqual(bench.tasks(sessionId), { 'pc-1': 'receiving', 'pc-2': 'receiving' });
    await bench.casts[0]!.end('sent');
    await jump();
    await bench.done('pc-1', []);
    await bench.done('pc-2', [7]);
    await jump();
    assert.deepEqual(bench.tasks(sessionId), { 'pc-1': 'verifying', 'pc-2': 'repairing' });
    await bench.done('pc-2', []);
    for (const name of ['pc-1', 'pc-2']) await bench.verifyAndFinish(name);
    await jump();
    assert.equal(bench.state(sessionId), 'completed');
    assert.deepEqual([bench.told('pc-1'), bench.told('pc-2')], ['release reboot', 'release reboot']);
    await bench.restart();
    assert.equal(bench.told('pc-1'), 'release reboot', 'after a restart of the daemon');
    // They boot again, from their disks or by the network: they are done with this session.
    sayHello();
    bench.arrive('pc-1');
    assert.equal(bench.told('pc-1'), 'wait');
    await bench.restart();
    assert.equal(bench.told('pc-1'), 'wait', 'after a restart of the daemon');
  });
}

test('a host that is dead is given up after the same time when the clock was set back', async (t) => {
  const bench = new SessionBench(t);
  bench.addHosts('pc-1', 'pc-2');
  const { sessionId } = await bench.deploy({ mode: 'unicast' });
  for (const name of ['pc-1', 'pc-2']) await bench.done(name, ordinals(0, 9));
  bench.clock.jump(-HOUR_MS);
  for (let s = 0; s < bench.config.session.lostFailS + 5; s += 5) {
    await bench.clock.advance(5);
    bench.heartbeat('pc-2');
  }
  assert.deepEqual(bench.tasks(sessionId), { 'pc-1': 'failed', 'pc-2': 'repairing' });
});

test('a deadline of the start counts on, also when the daemon was restarted with a clock that was set back', async (t) => {
  const bench = new SessionBench(t);
  bench.addHosts('pc-1', 'pc-2');
  const start = { when: 'all', deadlineS: 600, atLeast: 1 } as const;
  const { sessionId } = await bench.deploy({ start });
  await bench.done('pc-1', 'all');
  bench.clock.jump(-HOUR_MS);
  await bench.restart();
  for (let s = 0; s < 610; s += 5) {
    await bench.clock.advance(5);
    bench.heartbeat('pc-2');
    bench.hosts.presence.noteSeen(bench.hostId('pc-1'));
  }
  assert.equal(bench.tasks(sessionId)['pc-1'], 'receiving');
});
