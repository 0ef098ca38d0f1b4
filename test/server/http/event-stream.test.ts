import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, get, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { connect } from 'node:net';
import { type TestContext, test } from 'node:test';
import type { EventView } from '#protocol/admin/event-api.ts';
import type { SessionView } from '#protocol/admin/session-api.ts';
import { EventStream, type EventStreamOptions } from '#server/http/event-stream.ts';

function eventOf(eventId: number, text = 'x'): EventView {
  return { eventId, atMs: 1, subject: 'host', action: 'added', text };
}

/** A log of events that can grow, and a server that streams it. */
async function makeServer(t: TestContext, options: Partial<EventStreamOptions> = {}) {
  const log: EventView[] = [];
  const opened = Promise.withResolvers<{ stream: EventStream; response: ServerResponse }>();
  const server = createServer((_request, response) => {
    const stream = new EventStream(response, {
      after: 0,
      readAfter: (eventId, limit) => log.filter((event) => event.eventId > eventId).slice(0, limit),
      ...options,
    });
    opened.resolve({ stream, response });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    server.close();
    server.closeAllConnections();
  });
  return { log, opened: opened.promise, port: (server.address() as AddressInfo).port };
}

/** Reads until the text is there. */
async function readUntil(response: IncomingMessage, wanted: string): Promise<string> {
  let text = '';
  for await (const part of response.iterator({ destroyOnReturn: false })) {
    text += part;
    if (text.includes(wanted)) break;
  }
  return text;
}

async function openStream(port: number): Promise<IncomingMessage> {
  const [response] = (await once(get({ port, host: '127.0.0.1' }), 'response')) as [IncomingMessage];
  response.setEncoding('utf8');
  return response;
}

test('what is in the log comes first, then what happens, each once', async (t) => {
  const { log, opened, port } = await makeServer(t);
  for (let id = 1; id <= 250; id++) log.push(eventOf(id));
  const response = await openStream(port);
  assert.equal(response.headers['content-type'], 'text/event-stream');
  const first = await readUntil(response, 'id: 250\n');
  assert.equal(first.match(/^event: audit$/gm)?.length, 250);
  log.push(eventOf(251, 'late'));
  const { stream } = await opened;
  stream.noteEvents();
  stream.noteEvents();
  const later = await readUntil(response, 'id: 251\n');
  assert.equal(later, `event: audit\nid: 251\ndata: ${JSON.stringify(eventOf(251, 'late'))}\n\n`);
  response.destroy();
});

test('many changes of a session make few snapshots, and the last one is never left out', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  let succeeded = 0;
  const { opened, port } = await makeServer(t, { readSession: () => ({ succeeded }) as SessionView, snapshotMs: 500 });
  const response = await openStream(port);
  assert.match(await readUntil(response, 'event: session'), /data: \{"succeeded":0\}/);
  const { stream } = await opened;
  for (succeeded = 1; succeeded < 100; succeeded++) stream.noteSession();
  t.mock.timers.tick(500);
  assert.equal(await readUntil(response, '\n\n'), 'event: session\ndata: {"succeeded":100}\n\n');
  response.destroy();
});

test('a client that takes nothing is cut off, and nothing piles up for it', async (t) => {
  let reads = 0;
  const endless = (eventId: number) => {
    reads++;
    return Array.from({ length: 100 }, (_, i) => eventOf(eventId + 1 + i, 'x'.repeat(1000)));
  };
  const { opened, port } = await makeServer(t, { readAfter: endless, stuckMs: 50 });
  const client = connect(port, '127.0.0.1');
  client.pause();
  client.on('error', () => {});
  client.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n');
  const { response, stream } = await opened;
  for (let i = 0; i < 1000; i++) stream.noteEvents();
  assert.ok(reads < 200, `${reads} pages were read for a client that reads nothing`);
  await once(response, 'close');
  assert.ok(response.destroyed);
  client.destroy();
});

test('a quiet stream says that it lives', async (t) => {
  const { port } = await makeServer(t, { keepAliveMs: 5 });
  const response = await openStream(port);
  await readUntil(response, ': alive\n\n');
  response.destroy();
});
