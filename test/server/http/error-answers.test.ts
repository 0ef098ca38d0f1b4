import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { Writable } from 'node:stream';
import { test } from 'node:test';
import { pino } from 'pino';
import { Type } from 'typebox';
import { knownError } from '#protocol/errors.ts';
import { openDatabase } from '#server/db/database.ts';
import { makeApp } from '#server/http/app.ts';

function makeTrial() {
  const lines: Record<string, unknown>[] = [];
  const sink = new Writable({
    write(line, _encoding, done) {
      lines.push(JSON.parse(String(line)));
      done();
    },
  });
  const app = makeApp(pino(sink));
  app.get('/known', async () => {
    throw knownError('HOST_UNKNOWN', { host: 'pc-01' });
  });
  app.get('/blocked', async () => {
    const path = join(mkdtempSync(join(tmpdir(), 'fc-errors-')), 'fleetcast.db');
    using stack = new DisposableStack();
    const [one, other] = [openDatabase(path), openDatabase(path)];
    stack.defer(() => {
      other.close();
      one.close();
      rmSync(dirname(path), { recursive: true });
    });
    other.exec('BEGIN IMMEDIATE');
    one.exec("INSERT INTO host_group (name) VALUES ('room')");
  });
  app.get('/bug', async () => {
    throw new TypeError('secret detail');
  });
  app.post(
    '/typed',
    { schema: { body: Type.Object({ hosts: Type.Array(Type.Object({ mac: Type.String() })) }) } },
    async () => ({}),
  );
  app.get(
    '/counted',
    { schema: { querystring: Type.Object({ limit: Type.Integer({ minimum: 1 }) }) } },
    async ({ query }) => query,
  );
  app.post('/empty', async () => ({ ok: true }));
  return { app, lines };
}

test('a database that cannot be written now is no bug', async () => {
  const { app } = makeTrial();
  const answer = await app.inject('/blocked');
  assert.equal(answer.statusCode, 503);
  assert.equal(answer.json().error.code, 'DATABASE_BLOCKED');
  assert.match(answer.json().error.message, /database is locked/);
});

test('a known error is answered with its body and status', async () => {
  const { app } = makeTrial();
  const answer = await app.inject('/known');
  assert.equal(answer.statusCode, 404);
  assert.deepEqual(answer.json(), {
    error: { code: 'HOST_UNKNOWN', message: 'There is no host pc-01', next: 'fleetcast host list' },
  });
});

test('a bug is answered with a log id that stands in the log, and with nothing else', async () => {
  const { app, lines } = makeTrial();
  const answer = await app.inject('/bug');
  assert.equal(answer.statusCode, 500);
  const { error } = answer.json();
  assert.equal(error.code, 'INTERNAL');
  assert.doesNotMatch(answer.body, /secret detail/);
  const logged = lines.find((line) => line.logId !== undefined && error.message.endsWith(String(line.logId)));
  assert.match(JSON.stringify(logged), /secret detail/);
});

test('a body that does not fit its schema is refused with the path', async () => {
  const { app } = makeTrial();
  const answer = await app.inject({ method: 'POST', url: '/typed', payload: { hosts: [{ mac: 'x' }, { mac: 5 }] } });
  assert.equal(answer.statusCode, 400);
  assert.equal(answer.json().error.code, 'INVALID_REQUEST');
  assert.equal(answer.json().error.message, 'The request is not valid: body/hosts/1/mac must be string');
});

test('numbers are read from the query, and bad ones refused', async () => {
  const { app } = makeTrial();
  assert.deepEqual((await app.inject('/counted?limit=3')).json(), { limit: 3 });
  for (const query of ['limit=0', 'limit=x', '']) {
    const answer = await app.inject(`/counted?${query}`);
    assert.equal(answer.statusCode, 400, query);
    assert.match(answer.json().error.message, /querystring/);
  }
});

test('what is no JSON, too large or of another media type is refused as a request', async () => {
  const { app } = makeTrial();
  for (const [headers, payload] of [
    [{ 'content-type': 'application/json' }, '{"hosts":'],
    [{ 'content-type': 'application/json' }, JSON.stringify({ hosts: ['x'.repeat(3 * 1024 * 1024)] })],
    [{ 'content-type': 'application/xml' }, '<hosts/>'],
    [{ 'content-type': 'application/json' }, '{"__proto__":{"x":1},"hosts":[]}'],
  ] as const) {
    const answer = await app.inject({ method: 'POST', url: '/typed', headers, payload });
    assert.equal(answer.statusCode, 400, payload.slice(0, 30));
    assert.equal(answer.json().error.code, 'INVALID_REQUEST');
  }
});

test('an empty JSON body is no body', async () => {
  const { app } = makeTrial();
  const headers = { 'content-type': 'application/json' };
  assert.deepEqual((await app.inject({ method: 'POST', url: '/empty', headers, payload: '' })).json(), { ok: true });
});

test('an unknown route is named', async () => {
  const { app } = makeTrial();
  const answer = await app.inject({ method: 'PUT', url: '/nowhere?x=1' });
  assert.equal(answer.statusCode, 404);
  assert.equal(answer.json().error.message, 'There is no PUT /nowhere');
});
