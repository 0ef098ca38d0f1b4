import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { blockedError, openDatabase } from '#server/db/database.ts';
import { holesOf, SessionBench } from './session-bench.ts';

/** Another program begins to write into the database and does not end; returns how to end it. */
function holdDatabase(bench: SessionBench): () => void {
  const other = openDatabase(join(bench.config.daemon.dataDir, 'fleetcast.db'));
  other.exec('BEGIN IMMEDIATE');
  return () => other.close();
}

test('a database that another program holds costs a session nothing but the time', async (t) => {
  const bench = new SessionBench(t);
  bench.addHosts('pc-1', 'pc-2');
  const { sessionId } = await bench.deploy();
  for (const name of ['pc-1', 'pc-2']) await bench.done(name, 'all');
  const told = bench.order('pc-1');
  const letGo = holdDatabase(bench);
  // The cast ends, an agent says what it lacks, and the clock ticks, while nothing of it can be kept.
  await bench.casts[0]!.end('sent');
  assert.ok(told.kind === 'deploy');
  const refused = bench.sessions.taskData.putHoles(bench.hostId('pc-1'), told.taskId, holesOf([]).encode());
  await assert.rejects(refused, (error) => blockedError(error)?.code === 'DATABASE_BLOCKED');
  await bench.clock.advance(1);
  assert.deepEqual(bench.tasks(sessionId), { 'pc-1': 'receiving', 'pc-2': 'receiving' });
  assert.equal(bench.order('pc-1').rev, told.rev);

  letGo();
  await bench.clock.advance(1);
  for (const name of ['pc-1', 'pc-2']) {
    await bench.done(name, []);
    await bench.verifyAndFinish(name);
  }
  assert.equal(bench.state(sessionId), 'completed');
  const [cast] = bench.sessions.view(sessionId).casts;
  assert.equal(cast!.outcome, 'sent');
  assert.ok(cast!.endedAtMs !== undefined);
});

test('a cancel that cannot be kept is refused, and nothing of it counts', async (t) => {
  const bench = new SessionBench(t);
  bench.addHosts('pc-1', 'pc-2');
  const { sessionId } = await bench.deploy();
  for (const name of ['pc-1', 'pc-2']) await bench.done(name, 'all');
  const told = bench.order('pc-1');
  // The tasks can be moved, the session cannot: as when the disk becomes full in between.
  bench.database.exec(
    `CREATE TEMP TRIGGER full BEFORE UPDATE OF state ON session BEGIN SELECT RAISE(ABORT, 'full'); END`,
  );
  await assert.rejects(bench.sessions.cancel(sessionId), /full/);
  assert.deepEqual(bench.tasks(sessionId), { 'pc-1': 'receiving', 'pc-2': 'receiving' });
  assert.equal(bench.order('pc-1').rev, told.rev);
  bench.database.exec('DROP TRIGGER full');
  assert.equal((await bench.sessions.cancel(sessionId)).state, 'cancelled');
  assert.deepEqual(bench.tasks(sessionId), { 'pc-1': 'cancelled', 'pc-2': 'cancelled' });
});

test('moves that are kept count for all hosts, even when what is noted in their wake cannot be', async (t) => {
  const bench = new SessionBench(t);
  bench.addHosts('pc-1', 'pc-2');
  const { sessionId } = await bench.deploy();
  await bench.done('pc-1', 'all');
  bench.database.exec(
    `CREATE TEMP TRIGGER full BEFORE UPDATE OF inventory ON host BEGIN SELECT RAISE(ABORT, 'full'); END`,
  );
  // The pass cannot begin; both are asked anew.
  await bench.done('pc-2', 'all');
  bench.database.exec('DROP TRIGGER full');
  const kept = bench.database.prepare('SELECT state FROM task WHERE session_id = ?').pluck().all(sessionId);
  assert.deepEqual(Object.values(bench.tasks(sessionId)), kept);
  for (const name of ['pc-1', 'pc-2']) await bench.done(name, 'all');
  for (const name of ['pc-1', 'pc-2']) {
    await bench.done(name, []);
    await bench.verifyAndFinish(name);
  }
  assert.equal(bench.state(sessionId), 'completed');
});

test('an error in a statement is a bug, and no blocked database', () => {
  const database = openDatabase(':memory:');
  assert.throws(
    () => database.exec('SELECT nothing FROM nowhere'),
    (error) => blockedError(error) === undefined,
  );
  assert.equal(blockedError(new Error('SQLITE_FULL')), undefined);
  database.close();
});

test('what udp-sender says while nothing can be kept ends no daemon, and counts as soon as it can', async (t) => {
  const bench = new SessionBench(t);
  const room = ['pc-1', 'pc-2', 'pc-3'];
  bench.addHosts(...room);
  for (const [i, name] of room.entries()) {
    bench.hosts.hello(bench.hostId(name), { ...bench.hosts.get(name).inventory!, address: `10.0.0.${i + 1}` });
  }
  await bench.deploy();
  for (const name of room) await bench.done(name, 'all');
  const { onWait, onProgress } = bench.casts[0]!.options;
  const bare = { takenBytes: 1, sentBytes: 1, joined: [], retransmits: 0 };
  let sentBytes = 0;
  /** For so many seconds it waits for one host. */
  const say = async (seconds: number, dropped: readonly string[]) => {
    for (let s = 0; s < seconds; s++) {
      await bench.clock.leap(1000);
      sentBytes += 1e6;
      const atMs = bench.clock.steadyMs();
      const said = { atMs, addresses: ['10.0.0.3'], sentBytes, retransmits: 0, fullMs: atMs };
      for (const isLong of [true, false]) onWait!({ ...said, isLong });
      onProgress!({ ...bare, dropped });
    }
  };
  const letGo = holdDatabase(bench);
  await say(5, ['10.0.0.2']);
  assert.deepEqual(
    room.map((name) => bench.told(name)),
    ['receive', 'receive', 'receive'],
  );
  letGo();
  await say(5, ['10.0.0.2']);
  assert.deepEqual(
    room.map((name) => bench.told(name)),
    ['receive', 'prepare', 'prepare'],
  );
});
