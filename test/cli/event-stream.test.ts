import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { DaemonLink } from '#cli/daemon-link.ts';
import { EventStreamParser, followStream, type StreamItem } from '#cli/event-stream.ts';
import { FakeDaemon } from './fake-daemon.ts';

const immediately = {
  nowMs: () => 0,
  steadyMs: () => 0,
  sleep: () => new Promise<void>((resolve) => setImmediate(resolve)),
};

test('a stream is read the same however it is cut into pieces', () => {
  const text =
    ': hello\n\nevent: audit\nid: 7\ndata: {"a":"ü→"}\n\nevent: session\r\ndata: 1\r\ndata: 2\r\n\r\ndata:x\r\rid: 9\n\n';
  const wanted = [
    { event: 'audit', id: '7', data: '{"a":"ü→"}' },
    { event: 'session', data: '1\n2' },
    { event: 'message', data: 'x' },
  ];
  const bytes = Buffer.from(text);
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 1, max: bytes.length }), { maxLength: 30 }), (cuts) => {
      const parser = new EventStreamParser();
      const places = [0, ...cuts.toSorted((a, b) => a - b), bytes.length];
      const messages = places.slice(1).flatMap((end, i) => parser.push(bytes.subarray(places[i], end)));
      assert.deepEqual(messages, wanted);
    }),
    { numRuns: 200 },
  );
});

test('a stream outlives the daemon: it says once that it waits and resumes after the last id', async (t) => {
  const daemon = await FakeDaemon.start(t);
  daemon.onStream();
  const stop = new AbortController();
  const items: StreamItem[] = [];
  const link = new DaemonLink(daemon.socket);
  for await (const item of followStream({ link, path: '/api/v1/events', clock: immediately, signal: stop.signal })) {
    items.push(item);
    if (item.kind === 'connected') daemon.send('audit', items.length, items.length);
    if (item.kind === 'message' && items.length === 2) await daemon.die();
    if (item.kind === 'away') setTimeout(() => void daemon.listen(), 20);
    if (items.length === 5) stop.abort();
  }
  assert.deepEqual(
    items.map((item) => (item.kind === 'message' ? item.message.id : item.kind)),
    ['connected', '1', 'away', 'connected', '4'],
  );
  assert.deepEqual(
    daemon.calls.map((call) => call.headers['last-event-id']),
    [undefined, '1'],
  );
});

test('a stream that the daemon refuses ends with the reason', async (t) => {
  const daemon = await FakeDaemon.start(t);
  const link = new DaemonLink(daemon.socket);
  const signal = new AbortController().signal;
  const stream = followStream({ link, path: '/api/v1/events', clock: immediately, signal });
  await assert.rejects(stream.next(), { code: 'NOT_FOUND' });
});
