import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type IncomingMessage, request } from 'node:http';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { Value } from 'typebox/value';
import type { DeployRequest } from '#protocol/admin/deploy-api.ts';
import { eventViewSchema } from '#protocol/admin/event-api.ts';
import { type SessionView, sessionViewSchema } from '#protocol/admin/session-api.ts';
import type { DaemonStatus } from '#protocol/admin/status-api.ts';
import { knownError } from '#protocol/errors.ts';
import { makeAdminApp } from '#server/http/admin-app.ts';
import { listenOnSocket } from '#server/http/admin-socket.ts';
import { StoreGate } from '#server/http/store-gate.ts';
import type { Catalog } from '#server/images/catalog.ts';
import type { ChunkStore } from '#server/images/chunk-store.ts';
import type { Schedules } from '#server/schedules/schedules.ts';
import type { Sessions } from '#server/sessions/sessions.ts';
import { silentLogger } from '#system/log.ts';
import { tempFolder } from '#test/temp-folder.ts';
import { makeInventory } from '../inventory-fixture.ts';
import { sampleRequest } from '../sample-request.ts';

const MAC_1 = '52:54:00:77:00:01';
const MANIFEST = 'ab'.repeat(32);

const status: DaemonStatus = {
  version: '0.1.0',
  pid: 1,
  startedAtMs: 1,
  interface: 'eth0',
  address: '10.77.0.1',
  agentUrl: 'http://10.77.0.1:8470',
  dataDir: '/var/lib/fleetcast',
  hosts: 0,
  images: 0,
  runningSessions: 0,
  rssBytes: 1,
};

const session: SessionView = {
  sessionId: 7,
  kind: 'deploy',
  state: 'gathering',
  image: 'win11',
  createdAtMs: 1,
  succeeded: 0,
  failed: 0,
  casts: [],
  tasks: [],
};

const deployRequest: DeployRequest = { ...sampleRequest, hosts: ['pc-01'] };

/** The admin app over a real inventory; sessions and images are only what the routes ask of them. */
async function makeAdmin(t: TestContext, facts: { runningSession?: number; usedBy?: number } = {}) {
  const inventory = makeInventory();
  const calls: unknown[][] = [];
  const listeners = new Set<(sessionId: number) => void>();
  const sessions = {
    planDeploy: async (...args: unknown[]) => void calls.push(['planDeploy', ...args]),
    startDeploy: async (...args: unknown[]) => {
      calls.push(['startDeploy', ...args]);
      return session;
    },
    power: {
      order: (ref: string, action: string) => {
        calls.push(['power', ref, action]);
        return inventory.hosts.get(ref);
      },
    },
    list: (limit: number) => Array.from({ length: Math.min(limit, 2) }, () => session),
    view: (sessionId: number) => {
      if (sessionId !== 7) throw knownError('SESSION_UNKNOWN', { session: sessionId });
      return session;
    },
    running: { sessionUsing: () => facts.usedBy },
    onChange: (listener: (sessionId: number) => void) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  } as unknown as Sessions;
  const versions = [{ version: 1, manifestId: MANIFEST }];
  const catalog = {
    list: () => [{ name: 'win11', versions }],
    resolve: (ref: string) => {
      if (ref !== 'win11' && ref !== 'win11@1') throw knownError('IMAGE_UNKNOWN', { image: ref });
      return { image: 'win11', version: versions[0] };
    },
    rename: async (...args: unknown[]) => {
      calls.push(['rename', ...args]);
      return { name: 'win12', versions: [] };
    },
    remove: async (...args: unknown[]) => void calls.push(['remove', ...args]),
  } as unknown as Catalog;
  const app = await makeAdminApp({
    zstdLevel: 1,
    ...inventory,
    catalog,
    store: {} as ChunkStore,
    sessions,
    schedules: {} as Schedules,
    gate: new StoreGate(() => facts.runningSession),
    waker: { wake: async (host) => void calls.push(['wake', host.name]) },
    doctor: {
      begin: async (body, _signal, tell) => {
        calls.push(['doctor', body]);
        tell({ doing: 'looking' });
        tell({ finding: { host: 'pc-01', check: 'link', level: 'ok', text: 'the link has 1000 Mbit/s' } });
        tell({ done: true });
      },
    },
    networkBoot: { leases: () => [lease], externalSnippet: (kind) => `for ${kind}` },
    log: silentLogger,
    version: '0.1.0',
    status: () => status,
  });
  t.after(() => app.close());
  return { ...inventory, app, calls, listeners };
}

const lease = { address: '10.77.0.100', mac: MAC_1, state: 'bound', startedMs: 1, expiresMs: 2 } as const;

test('leases and snippets for other DHCP servers are read over the API', async (t) => {
  const { app } = await makeAdmin(t);
  assert.deepEqual((await app.inject({ url: '/api/v1/dhcp/leases' })).json(), [lease]);
  assert.deepEqual((await app.inject({ url: '/api/v1/dhcp/external/kea' })).json(), { text: 'for kea' });
  assert.equal((await app.inject({ url: '/api/v1/dhcp/external/other' })).statusCode, 400);
});

test('what the doctor finds comes line by line over the API', async (t) => {
  const { app, calls } = await makeAdmin(t);
  const payload = { hosts: [], groups: ['room'], wake: true, onDone: 'poweroff' };
  const { body, headers } = await app.inject({ method: 'POST', url: '/api/v1/doctor', payload });
  assert.equal(headers['content-type'], 'application/x-ndjson');
  const lines = body.trim().split('\n');
  assert.deepEqual(JSON.parse(lines[1]!).finding.host, 'pc-01');
  assert.deepEqual([lines.length, lines[2]], [3, '{"done":true}']);
  assert.deepEqual(calls, [['doctor', payload]]);
});

test('addresses that are kept for hosts stand among the leases', async (t) => {
  const { app, hosts } = await makeAdmin(t);
  hosts.add({ name: 'pc-01', macs: [MAC_1] });
  hosts.set('pc-01', { address: '10.77.0.7' });
  const leases = (await app.inject({ url: '/api/v1/dhcp/leases' })).json();
  assert.deepEqual(leases, [{ address: '10.77.0.7', mac: MAC_1, state: 'reserved', reservedFor: 'pc-01' }, lease]);
});

test('hosts are set, woken and switched over the API', async (t) => {
  const { app, hosts, events, calls, time } = await makeAdmin(t);
  hosts.add({ name: 'pc-01', macs: [MAC_1] });
  const call = async (verb: string, payload?: object) => {
    const url = `/api/v1/hosts/pc-01/${verb}`;
    return (await app.inject({ method: 'POST', url, ...(payload === undefined ? {} : { payload }) })).json();
  };
  const view = await call('set', { secureOn: '00:11:22:33:44:55', address: '10.77.0.7' });
  assert.deepEqual([view.hasSecureOn, view.address], [true, '10.77.0.7']);
  assert.equal((await call('set', { address: 'x' })).error.code, 'ADDRESS_INVALID');
  assert.equal((await call('set', { secureOn: null })).hasSecureOn, undefined);
  assert.deepEqual(await call('wake'), { host: hosts.get('pc-01'), wokenAtMs: time.ms });
  assert.equal(events.list().at(-1)?.text, 'pc-01 was sent magic packets');
  assert.equal((await call('power', { action: 'poweroff' })).name, 'pc-01');
  assert.equal((await call('power', { action: 'explode' })).error.code, 'INVALID_REQUEST');
  assert.deepEqual(calls, [
    ['wake', 'pc-01'],
    ['power', 'pc-01', 'poweroff'],
  ]);
});

test('hosts and groups are managed over the API', async (t) => {
  const { app } = await makeAdmin(t);
  const call = async (method: 'GET' | 'POST' | 'DELETE', url: string, payload?: object) => {
    const answer = await app.inject({ method, url: `/api/v1${url}`, ...(payload === undefined ? {} : { payload }) });
    return { status: answer.statusCode, body: answer.body === '' ? undefined : answer.json() };
  };
  assert.deepEqual((await call('GET', '/hosts')).body, []);
  assert.equal((await call('POST', '/hosts', { name: 'pc-01', macs: ['52-54-00-77-00-01'] })).body.macs[0], MAC_1);
  assert.equal((await call('POST', '/hosts/import', { csv: 'pc-02,525400770002,room' })).body.added, 1);
  assert.equal((await call('POST', '/hosts/pc-02/rename', { name: 'pc-03' })).body.name, 'pc-03');
  assert.equal((await call('POST', '/hosts/pc-03/approve')).body.approval, 'approved');
  assert.equal((await call('GET', '/hosts/52:54:00:77:00:02')).body.name, 'pc-03');
  assert.deepEqual((await call('POST', '/groups', { name: 'lab' })).body, { name: 'lab', hosts: [] });
  assert.deepEqual((await call('POST', '/groups/lab/add', { hosts: ['pc-01'] })).body.hosts, ['pc-01']);
  assert.deepEqual((await call('POST', '/groups/lab/remove', { hosts: ['pc-01'] })).body.hosts, []);
  assert.equal((await call('POST', '/groups/lab/rename', { name: 'hall' })).body.name, 'hall');
  assert.deepEqual(
    (await call('GET', '/groups')).body.map((group: { name: string }) => group.name),
    ['hall', 'room'],
  );
  assert.deepEqual(await call('DELETE', '/groups/hall'), { status: 204, body: undefined });
  assert.deepEqual(await call('DELETE', '/hosts/pc-01'), { status: 204, body: undefined });
  assert.equal((await call('DELETE', '/hosts/pc-01')).body.error.code, 'HOST_UNKNOWN');
  assert.equal((await call('POST', '/hosts', { name: 'pc-03', macs: [MAC_1] })).status, 409);
  assert.equal((await call('POST', '/hosts', { name: 'pc-03', macs: [] })).body.error.code, 'INVALID_REQUEST');
});

test('an image that a session uses is neither renamed nor removed', async (t) => {
  const { app, calls } = await makeAdmin(t, { usedBy: 7 });
  const rename = await app.inject({ method: 'POST', url: '/api/v1/images/win11/rename', payload: { name: 'win12' } });
  assert.equal(rename.json().error.message, 'Image win11 is used by session 7');
  const remove = await app.inject({ method: 'DELETE', url: '/api/v1/images/win11@1' });
  assert.equal(remove.json().error.code, 'IMAGE_IN_USE');
  assert.deepEqual(calls, []);
});

test('an image that nobody uses is renamed and removed, and the log says so', async (t) => {
  const { app, calls, events } = await makeAdmin(t);
  await app.inject({ method: 'POST', url: '/api/v1/images/win11/rename', payload: { name: 'win12' } });
  assert.equal((await app.inject({ method: 'DELETE', url: '/api/v1/images/win11' })).statusCode, 204);
  assert.deepEqual(calls, [
    ['rename', 'win11', 'win12'],
    ['remove', 'win11'],
  ]);
  assert.deepEqual(
    events.list().map((event) => event.text),
    ['The image win11 is now called win12', 'The image win11 was removed'],
  );
  assert.equal((await app.inject({ method: 'DELETE', url: '/api/v1/images/nope' })).json().error.code, 'IMAGE_UNKNOWN');
  assert.equal((await app.inject({ method: 'POST', url: '/api/v1/images/nope/verify' })).statusCode, 404);
});

test('the store is not pruned while a session runs', async (t) => {
  const { app } = await makeAdmin(t, { runningSession: 7 });
  const answer = await app.inject({ method: 'POST', url: '/api/v1/store/prune', payload: { dryRun: false } });
  assert.equal(answer.statusCode, 409);
  assert.equal(answer.json().error.code, 'STORE_BUSY');
});

test('sessions are started and read', async (t) => {
  const { app, calls } = await makeAdmin(t);
  const started = await app.inject({ method: 'POST', url: '/api/v1/sessions/deploy', payload: deployRequest });
  assert.equal(started.json().sessionId, 7);
  assert.deepEqual(calls, [['startDeploy', deployRequest]]);
  assert.equal((await app.inject('/api/v1/sessions?limit=1')).json().length, 1);
  assert.equal((await app.inject('/api/v1/sessions/7')).json().image, 'win11');
  assert.equal((await app.inject('/api/v1/sessions/8')).json().error.code, 'SESSION_UNKNOWN');
  const bad = await app.inject({
    method: 'POST',
    url: '/api/v1/sessions/deploy',
    payload: { ...deployRequest, verify: 'half' },
  });
  assert.match(bad.json().error.message, /body\/verify/);
});

test('a name that cannot be is refused as a name, not as a body that does not fit its schema', async (t) => {
  const { app } = await makeAdmin(t);
  const post = async (url: string, payload: object) =>
    (await app.inject({ method: 'POST', url: `/api/v1${url}`, payload })).json().error.code;
  assert.equal(await post('/hosts', { name: 'pc 1', macs: [MAC_1] }), 'NAME_INVALID');
  assert.equal(await post('/groups', { name: 'room 101' }), 'NAME_INVALID');
});

test('the audit log says on whose behalf something was done, as the caller states it', async (t) => {
  const { app, events } = await makeAdmin(t);
  const add = (name: string, mac: string, headers: Record<string, string>) =>
    app.inject({ method: 'POST', url: '/api/v1/hosts', headers, payload: { name, macs: [mac] } });
  await add('pc-51', '52:54:00:00:51:01', { 'x-fleetcast-user': 'anna' });
  await add('pc-52', '52:54:00:00:52:01', {});
  await add('pc-53', '52:54:00:00:53:01', { 'x-fleetcast-user': 'evil\x1b[31m' });
  events.add({ subject: 'daemon', action: 'started', text: 'by itself' });
  const added = events.list().filter(({ text }) => /^pc-5|itself/.test(text));
  assert.deepEqual(
    added.map(({ actor }) => actor),
    ['anna', 'admin', 'admin', undefined],
  );
  const listed = (await app.inject('/api/v1/events?actor=anna')).json() as { text: string }[];
  assert.deepEqual(
    listed.map(({ text }) => text),
    ['pc-51 was added'],
  );
});

test('the audit log is listed by session, host and id', async (t) => {
  const { app, events, hosts } = await makeAdmin(t);
  const { hostId } = hosts.add({ name: 'pc-01', macs: [MAC_1] });
  events.add({ subject: 'session', action: 'created', text: 'made', sessionId: 7 });
  events.add({ subject: 'task', action: 'state', text: 'moved', sessionId: 7, hostId });
  const texts = async (query: string) =>
    (await app.inject(`/api/v1/events?${query}`)).json().map((event: { text: string }) => event.text);
  assert.deepEqual(await texts(''), ['pc-01 was added', 'made', 'moved']);
  assert.deepEqual(await texts('session=7'), ['made', 'moved']);
  assert.deepEqual(await texts('host=pc-01'), ['pc-01 was added', 'moved']);
  assert.deepEqual(await texts('after=1&limit=1'), ['made']);
  assert.equal((await app.inject('/api/v1/events?host=nobody')).json().error.code, 'HOST_UNKNOWN');
  assert.equal((await app.inject('/api/v1/events?session=9')).json().error.code, 'SESSION_UNKNOWN');
  assert.equal((await app.inject('/api/v1/events?follow=2')).statusCode, 400);
});

interface Message {
  readonly event?: string;
  readonly id?: string;
  readonly data: unknown;
}

/** The messages of a stream, one by one. */
async function* readMessages(response: IncomingMessage): AsyncGenerator<Message, undefined> {
  let rest = '';
  for await (const part of response.setEncoding('utf8')) {
    const messages = (rest + part).split('\n\n');
    rest = messages.pop()!;
    for (const message of messages.filter((text) => !text.startsWith(':'))) {
      const fields = Object.fromEntries(message.split('\n').map((line) => line.split(/: (.*)/s, 2)));
      yield { ...fields, data: JSON.parse(fields.data) };
    }
  }
  return undefined;
}

test('the live stream on the unix socket resumes where a client left and goes on', async (t) => {
  const { app, events, listeners } = await makeAdmin(t);
  const folder = tempFolder(t);
  const socketPath = join(folder, 'admin.sock');
  await listenOnSocket(app, socketPath);
  for (const text of ['one', 'two', 'three']) events.add({ subject: 'session', action: 'created', text, sessionId: 7 });

  const open = async (path: string, headers: Record<string, string> = {}) => {
    const call = request({ socketPath, path, headers, agent: false });
    call.end();
    const [response] = (await once(call, 'response')) as [IncomingMessage];
    return { call, response, messages: readMessages(response) };
  };
  const { call, response, messages } = await open('/api/v1/events?follow=1&session=7&after=0', {
    'last-event-id': '1',
  });
  assert.equal(response.statusCode, 200);
  const audit = async () => {
    const { value } = await messages.next();
    assert.equal(value?.event, 'audit');
    assert.ok(Value.Check(eventViewSchema, value.data));
    assert.equal(value.id, String(value.data.eventId));
    return value.data.text;
  };
  assert.deepEqual([await audit(), await audit()], ['two', 'three']);
  const snapshot = (await messages.next()).value;
  assert.equal(snapshot?.event, 'session');
  assert.ok(Value.Check(sessionViewSchema, snapshot.data));
  events.add({ subject: 'session', action: 'created', text: 'of another session', sessionId: 8 });
  events.add({ subject: 'session', action: 'created', text: 'four', sessionId: 7 });
  assert.equal(await audit(), 'four');

  // A stream from now on says nothing of the past.
  const fresh = await open('/api/v1/events?follow=1');
  events.add({ subject: 'daemon', action: 'x', text: 'news' });
  const news = (await fresh.messages.next()).value;
  assert.ok(Value.Check(eventViewSchema, news?.data));
  assert.equal(news.data.text, 'news');

  assert.equal(listeners.size, 2);
  call.destroy();
  fresh.call.destroy();
  while (listeners.size > 0) await new Promise((resolve) => setImmediate(resolve));
});

test('a stopping daemon does not wait for its streams', async (t) => {
  const { app } = await makeAdmin(t);
  const folder = tempFolder(t);
  const socketPath = join(folder, 'admin.sock');
  await listenOnSocket(app, socketPath);
  const call = request({ socketPath, path: '/api/v1/events?follow=1', agent: false });
  call.on('error', () => {});
  call.end();
  const [response] = (await once(call, 'response')) as [IncomingMessage];
  response.on('error', () => {});
  response.resume();
  const closed = once(response, 'close');
  await app.close();
  await closed;
});

test('the OpenAPI document has every call of the protocol', async (t) => {
  const { app } = await makeAdmin(t);
  const document = (await app.inject('/openapi.json')).json();
  assert.match(document.openapi, /^3\.1/);
  assert.deepEqual(
    Object.entries(document.paths as Record<string, object>)
      .flatMap(([path, calls]) => Object.keys(calls).map((method) => `${method.toUpperCase()} ${path}`))
      .sort(),
    [
      'DELETE /api/v1/finishers/{finisher}',
      'DELETE /api/v1/groups/{group}',
      'DELETE /api/v1/hosts/{host}',
      'DELETE /api/v1/images/{image}',
      'DELETE /api/v1/schedules/{schedule}',
      'DELETE /api/v1/secrets/{secret}',
      'GET /api/v1/dhcp/external/{kind}',
      'GET /api/v1/dhcp/leases',
      'GET /api/v1/events',
      'GET /api/v1/finishers',
      'GET /api/v1/groups',
      'GET /api/v1/hosts',
      'GET /api/v1/hosts/{host}',
      'GET /api/v1/hosts/{host}/history',
      'GET /api/v1/images',
      'GET /api/v1/images/{image}',
      'GET /api/v1/schedules',
      'GET /api/v1/schedules/{schedule}',
      'GET /api/v1/schedules/{schedule}/runs',
      'GET /api/v1/secrets',
      'GET /api/v1/sessions',
      'GET /api/v1/sessions/{session}',
      'GET /api/v1/sessions/{session}/report',
      'GET /api/v1/status',
      'POST /api/v1/doctor',
      'POST /api/v1/finishers',
      'POST /api/v1/groups',
      'POST /api/v1/groups/{group}/add',
      'POST /api/v1/groups/{group}/finishers',
      'POST /api/v1/groups/{group}/luks-secrets',
      'POST /api/v1/groups/{group}/remove',
      'POST /api/v1/groups/{group}/rename',
      'POST /api/v1/groups/{group}/set',
      'POST /api/v1/hosts',
      'POST /api/v1/hosts/import',
      'POST /api/v1/hosts/{host}/approve',
      'POST /api/v1/hosts/{host}/power',
      'POST /api/v1/hosts/{host}/rename',
      'POST /api/v1/hosts/{host}/set',
      'POST /api/v1/hosts/{host}/wake',
      'POST /api/v1/images/{image}/finishers',
      'POST /api/v1/images/{image}/fit',
      'POST /api/v1/images/{image}/luks-secrets',
      'POST /api/v1/images/{image}/rename',
      'POST /api/v1/images/{image}/verify',
      'POST /api/v1/plans/deploy',
      'POST /api/v1/plans/schedule',
      'POST /api/v1/plans/sessions/{session}/add',
      'POST /api/v1/plans/wipe',
      'POST /api/v1/schedules',
      'POST /api/v1/schedules/{schedule}/pause',
      'POST /api/v1/schedules/{schedule}/resume',
      'POST /api/v1/schedules/{schedule}/run',
      'POST /api/v1/secrets',
      'POST /api/v1/sessions/capture',
      'POST /api/v1/sessions/deploy',
      'POST /api/v1/sessions/wipe',
      'POST /api/v1/sessions/{session}/add',
      'POST /api/v1/sessions/{session}/cancel',
      'POST /api/v1/sessions/{session}/remove',
      'POST /api/v1/sessions/{session}/set',
      'POST /api/v1/sessions/{session}/start-now',
      'POST /api/v1/store/prune',
      'POST /api/v1/store/verify',
    ],
  );
  assert.deepEqual((await app.inject('/api/v1/status')).json(), status);
});
