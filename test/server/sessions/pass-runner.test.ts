import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SessionBench } from './session-bench.ts';

test('a cast passes over ports that another program has, and without any its hosts are served over HTTP', async (t) => {
  const bench = new SessionBench(t);
  const { portFirst, portLast } = bench.config.cast;
  for (let base = portFirst; base <= portLast; base += 2) if (base !== 9200) bench.takenPorts.add(base + 1);
  bench.addHosts('pc-1', 'pc-2');
  const { sessionId } = await bench.deploy();
  for (const name of ['pc-1', 'pc-2']) await bench.done(name, 'all');
  assert.equal(bench.casts[0]!.options.sender.portBase, 9200);
  await bench.casts[0]!.end('failed');

  bench.takenPorts.add(9201);
  for (const name of ['pc-1', 'pc-2']) await bench.done(name, 'all');
  await bench.clock.advance(5);
  assert.equal(bench.casts.length, 1);
  assert.deepEqual(bench.tasks(sessionId), { 'pc-1': 'repairing', 'pc-2': 'repairing' });
  const said = bench.events.list({ sessionId }).map(({ text }) => text);
  assert.ok(said.some((text) => /could not run: .*port bases are in use/.test(text)));
});
