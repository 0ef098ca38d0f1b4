import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, get, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import { capitalizeHeaders } from '#server/http/header-case.ts';

test('GRUB finds Content-Length with capitals, whichever way the header was set', async (t) => {
  const server = createServer((request, response) => {
    capitalizeHeaders(response);
    if (request.url === '/at-once') response.writeHead(200, { 'content-length': 2, 'content-type': 'text/plain' });
    else response.setHeader('content-length', 2);
    response.end('ok');
  });
  server.listen(0, '127.0.0.1');
  t.after(() => server.close());
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  for (const path of ['/at-once', '/one-by-one']) {
    const [response] = (await once(get({ port, path, agent: false }), 'response')) as [IncomingMessage];
    response.resume();
    assert.ok(response.rawHeaders.includes('Content-Length'), response.rawHeaders.join());
  }
});
