import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { Agent, type IncomingMessage, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { ServerLink } from '#agent/server-link.ts';
import { AGENT_PROTOCOL, type Hello, type Order } from '#protocol/agent-api.ts';
import { knownError } from '#protocol/errors.ts';
import { makeSealKeyPair, unsealSecret } from '#protocol/sealed-secret.ts';
import { BootAssets } from '#server/boot/boot-assets.ts';
import { makeBootDirector } from '#server/boot/boot-director.ts';
import { makeAgentApp } from '#server/http/agent-app.ts';
import type { AgentCalls } from '#server/sessions/agent-calls.ts';
import type { TaskData } from '#server/sessions/task-data.ts';
import { silentLogger } from '#system/log.ts';
import { makeChunk, openTestStore, streamOf } from '../images/test-store.ts';
import { makeInventory, SAMPLE_UUID, sampleInventory } from '../inventory-fixture.ts';

const MAC = '52:54:00:77:00:01';
const TASK = '/agent/v1/tasks/5';
/** What firmware and stage 1 ask, which have no token yet, and the call that spends one. Nothing else is open. */
const OPEN_ROUTES = [
  ...['GET /boot/v1/next', 'GET /boot/v1/ipxe', 'GET /boot/v1/grub/:mac', 'HEAD /boot/v1/grub/:mac'],
  ...['GET /grub/grub.cfg', 'HEAD /grub/grub.cfg', 'GET /boot/v1/files/grub/grub.cfg'],
  ...['HEAD /boot/v1/files/grub/grub.cfg', 'GET /boot/v1/files/:name', 'HEAD /boot/v1/files/:name'],
  ...['GET /boot/v1/files//:name', 'HEAD /boot/v1/files//:name', 'POST /agent/v1/hello'],
];

/** The agent app over a real inventory; of the agents' calls only what a test gives. */
async function makeAgentSide(t: TestContext, calls: Partial<Record<keyof AgentCalls | keyof TaskData, unknown>> = {}) {
  const inventory = makeInventory();
  const { hosts, tokens } = inventory;
  const director = makeBootDirector('http://10.77.0.1:8470', {
    hostOf: ({ mac, uuid }) => {
      const host = hosts.sawBoot(mac, uuid);
      return host && { ...host, isRegistered: false };
    },
    isCalled: () => true,
    issueToken: ({ hostId }, { mac, uuid }) => tokens.issueBoot(hostId, { mac, systemUuid: uuid }),
  });
  const agentArrived: unknown[][] = [];
  const assetsFolder = mkdtempSync(join(tmpdir(), 'fc-assets-'));
  const app = await makeAgentApp({
    ...inventory,
    director,
    assets: BootAssets.open(assetsFolder),
    agentUrl: 'http://10.77.0.1:8470',
    kernelArgs: 'quiet',
    debugShell: false,
    open: Promise.resolve(),
    log: silentLogger,
    sessions: {
      agents: {
        agentArrived: (...args: unknown[]) => void agentArrived.push(args),
        ...calls,
      } as unknown as AgentCalls,
      taskData: calls as unknown as TaskData,
    },
  });
  t.after(async () => {
    await app.close();
    rmSync(assetsFolder, { recursive: true });
  });
  const { hostId } = hosts.add({ name: 'pc-01', macs: [MAC] });
  const machine = { mac: MAC, systemUuid: SAMPLE_UUID };
  const logIn = () => {
    const { agentToken } = tokens.spendBoot(tokens.issueBoot(hostId, machine), machine);
    return { authorization: `Bearer ${agentToken}` };
  };
  return { ...inventory, app, hostId, logIn, agentArrived };
}

function helloWith(bootToken: string): Hello {
  return { protocol: AGENT_PROTOCOL, agentVersion: '0.1.0', bootToken, inventory: sampleInventory(MAC) };
}

test('every route but what firmware asks and hello refuses a caller without a token', async (t) => {
  const { app } = await makeAgentSide(t);
  const routes = [...app.printRoutes({ commonPrefix: false }).matchAll(/(\/\S+) \(([A-Z, ]+)\)/g)].flatMap(
    ([, path, methods]) => methods!.split(', ').map((method) => `${method} ${path}`),
  );
  const open = routes.filter((one) => OPEN_ROUTES.includes(one));
  assert.deepEqual(open.toSorted(), OPEN_ROUTES.toSorted());
  assert.equal(routes.length - open.length, 10, routes.join('\n'));
  for (const route of routes.filter((one) => !OPEN_ROUTES.includes(one))) {
    const [method, url] = route.split(' ') as ['GET', string];
    for (const headers of [{}, { authorization: 'Bearer AAAA' }, { authorization: 'Basic AAAA' }]) {
      const answer = await app.inject({ method, url: url.replace(':task', '5'), headers });
      assert.equal(answer.statusCode, 401, route);
      assert.equal(answer.json().error.code, 'TOKEN_REFUSED', route);
    }
  }
});

test('what does not exist is refused too, so a stranger learns nothing', async (t) => {
  const { app, logIn } = await makeAgentSide(t);
  assert.equal((await app.inject('/api/v1/status')).statusCode, 401);
  const answer = await app.inject({ url: '/api/v1/status', headers: logIn() });
  assert.equal(answer.json().error.code, 'NOT_FOUND');
});

test('a host comes from its boot target to its order', async (t) => {
  const { app, hosts, hostId, events, agentArrived } = await makeAgentSide(t, {
    awaitOrder: async (id: number): Promise<Order> => ({ kind: 'wait', rev: `for ${id}` }),
  });
  const target = (await app.inject(`/boot/v1/next?mac=${MAC}&uuid=${SAMPLE_UUID}`)).json();
  assert.equal(target.target, 'agent');
  const welcome = (
    await app.inject({ method: 'POST', url: '/agent/v1/hello', payload: helloWith(target.bootToken) })
  ).json();
  assert.deepEqual([welcome.hostId, welcome.hostName], [hostId, 'pc-01']);
  assert.deepEqual(agentArrived, [[hostId, sampleInventory(MAC)]]);
  assert.equal(hosts.get('pc-01').presence, 'agent');
  assert.deepEqual(events.list().at(-1)?.action, 'arrived');
  const headers = { authorization: `Bearer ${welcome.agentToken}` };
  const order = await app.inject({ url: '/agent/v1/order?after=x', headers });
  assert.deepEqual(order.json(), { kind: 'wait', rev: `for ${hostId}` });
  const again = await app.inject({ method: 'POST', url: '/agent/v1/hello', payload: helloWith(target.bootToken) });
  assert.equal(again.statusCode, 401);
  assert.equal(events.list().at(-1)?.action, 'token-reused');
});

test('an unknown machine gets its local disk, and a strange MAC an error', async (t) => {
  const { app, hosts } = await makeAgentSide(t);
  const target = (await app.inject('/boot/v1/next?mac=52-54-00-77-00-99')).json();
  assert.equal(target.target, 'local');
  assert.equal(hosts.get('host-525400770099').approval, 'pending');
  assert.equal((await app.inject('/boot/v1/next?mac=nonsense')).json().error.code, 'MAC_INVALID');
  assert.equal((await app.inject('/boot/v1/next')).json().error.code, 'INVALID_REQUEST');
});

test('an agent of another protocol is told so before its token is spent', async (t) => {
  const { app, tokens, hostId } = await makeAgentSide(t);
  const bootToken = tokens.issueBoot(hostId, { mac: MAC });
  const hello = { ...helloWith(bootToken), protocol: AGENT_PROTOCOL + 1 };
  const answer = await app.inject({ method: 'POST', url: '/agent/v1/hello', payload: hello });
  assert.equal(answer.json().error.code, 'AGENT_OUTDATED');
  assert.equal(
    (await app.inject({ method: 'POST', url: '/agent/v1/hello', payload: helloWith(bootToken) })).statusCode,
    200,
  );
});

test('binary bodies arrive as they were sent and come back as they are', async (t) => {
  const heard: unknown[][] = [];
  const note =
    (name: string) =>
    async (...args: unknown[]) => {
      heard.push([name, ...args]);
      return Buffer.from([1, 2, 3]);
    };
  const { app, hostId, logIn } = await makeAgentSide(t, {
    putHoles: note('putHoles'),
    lacking: note('lacking'),
    readManifest: note('readManifest'),
    frames: async (...args: unknown[]) => {
      heard.push(['frames', ...args]);
      return (async function* () {
        yield Buffer.from('one');
        yield Buffer.from('two');
      })();
    },
    chunks: async (id: number, task: number, stream: AsyncIterable<Buffer>) => {
      const parts = [];
      for await (const part of stream) parts.push(part);
      heard.push(['chunks', id, task, Buffer.concat(parts)]);
      return { stored: 1, duplicates: 0 };
    },
    manifest: async (...args: unknown[]) => {
      heard.push(['manifest', ...args]);
      return { manifestId: 'm', image: 'win11', version: 1, isNew: true };
    },
  });
  const headers = { ...logIn(), 'content-type': 'application/octet-stream' };
  const body = Buffer.alloc(64, 0xfe);
  const send = (method: 'GET' | 'PUT' | 'POST', url: string) =>
    app.inject({ method, url, headers, ...(method === 'GET' ? {} : { payload: body }) });
  const nonce = Buffer.from('0102030405060708', 'hex');

  assert.equal((await send('PUT', `${TASK}/holes`)).statusCode, 204);
  const frames = await send('POST', `${TASK}/frames?nonce=0102030405060708`);
  assert.deepEqual([frames.headers['content-type'], frames.body], ['application/octet-stream', 'onetwo']);
  assert.deepEqual((await send('POST', `${TASK}/lacking`)).rawPayload, Buffer.from([1, 2, 3]));
  assert.deepEqual((await send('POST', `${TASK}/chunks`)).json(), { stored: 1, duplicates: 0 });
  assert.equal((await send('PUT', `${TASK}/manifest`)).json().version, 1);
  const manifestId = 'ab'.repeat(32);
  assert.deepEqual((await app.inject({ url: `/agent/v1/manifests/${manifestId}`, headers: logIn() })).statusCode, 200);
  assert.deepEqual(heard, [
    ['putHoles', hostId, 5, body],
    ['frames', hostId, 5, body, nonce],
    ['lacking', hostId, 5, body],
    ['chunks', hostId, 5, body],
    ['manifest', hostId, 5, body],
    ['readManifest', hostId, manifestId],
  ]);
});

test('bodies that are too large, of the wrong type or of a wrong length are refused', async (t) => {
  const { app, logIn } = await makeAgentSide(t);
  const headers = { ...logIn(), 'content-type': 'application/octet-stream' };
  const refused = async (url: string, payload: Buffer | object, withHeaders: Record<string, string> = headers) => {
    const answer = await app.inject({ method: 'POST', url, headers: withHeaders, payload });
    assert.equal(answer.json().error.code, 'INVALID_REQUEST', url);
    return answer.json().error.message;
  };
  assert.match(await refused(`${TASK}/lacking`, Buffer.alloc(4097 * 32)), /too large/);
  assert.match(await refused(`${TASK}/lacking`, Buffer.alloc(33)), /32-byte ids/);
  const asJson = { authorization: headers.authorization, 'content-type': 'application/json' };
  assert.match(await refused(`${TASK}/lacking`, {}, asJson), /not application\/octet-stream/);
  assert.match(await refused(`${TASK}/chunks`, {}, asJson), /not application\/octet-stream/);
  assert.match(await refused(`${TASK}/frames?nonce=xyz`, Buffer.alloc(4)), /querystring\/nonce/);
  assert.match(await refused('/agent/v1/tasks/x/lacking', Buffer.alloc(32)), /params\/task/);
});

async function listen(app: Awaited<ReturnType<typeof makeAgentApp>>): Promise<number> {
  await app.listen({ host: '127.0.0.1', port: 0 });
  return (app.server.address() as AddressInfo).port;
}

test('an order that is waited for is let go when the agent leaves', async (t) => {
  const asked = Promise.withResolvers<AbortSignal>();
  const { app, logIn } = await makeAgentSide(t, {
    awaitOrder: (_hostId: number, _after: string, signal: AbortSignal) => {
      asked.resolve(signal);
      return new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason)));
    },
  });
  const port = await listen(app);
  const call = request({ host: '127.0.0.1', port, path: '/agent/v1/order?after=x', headers: logIn(), agent: false });
  call.on('error', () => {});
  call.end();
  const signal = await asked.promise;
  assert.equal(signal.aborted, false);
  const aborted = once(signal, 'abort');
  call.destroy();
  await aborted;
});

test('an agent whose chunk is corrupt hears which one and why, however much it still has to send', async (t) => {
  const { store } = await openTestStore(t);
  const intake = await store.beginIntake();
  const { app, tokens, hostId } = await makeAgentSide(t, {
    chunks: (_hostId: number, _task: number, stream: AsyncIterable<Buffer>) => intake.write(stream),
  });
  const link = new ServerLink({ server: `http://127.0.0.1:${await listen(app)}`, log: silentLogger });
  t.after(() => link.close());
  await link.hello(helloWith(tokens.issueBoot(hostId, { mac: MAC, systemUuid: SAMPLE_UUID })));
  const good = makeChunk(1);
  const bad = Buffer.from(makeChunk(2).stored);
  bad[bad.length - 1]! ^= 1;
  for (const tailBytes of [0, 3_000_000, 20_000_000]) {
    async function* body() {
      yield good.stored;
      yield bad;
      for (let sent = 0; sent < tailBytes; sent += good.stored.length) yield good.stored;
    }
    await assert.rejects(link.chunks(5, body()), { code: 'CHUNK_CORRUPT', message: /[0-9a-f]{64} .*damaged/ });
  }
  assert.deepEqual(await link.chunks(5, streamOf([good, makeChunk(3)])), { stored: 1, duplicates: 1 });
});

test('an upload that is refused unread gets its answer too', async (t) => {
  const { app, logIn } = await makeAgentSide(t, {
    chunks: async () => {
      throw knownError('TASK_STALE', { task: 5, state: 'over' });
    },
  });
  const port = await listen(app);
  const headers = { ...logIn(), 'content-type': 'application/octet-stream' };
  const agent = new Agent({ keepAlive: true });
  t.after(() => agent.destroy());
  const call = request({ host: '127.0.0.1', port, method: 'POST', path: `${TASK}/chunks`, headers, agent });
  const answered = once(call, 'response') as Promise<[IncomingMessage]>;
  call.end(Buffer.alloc(8_000_000));
  const [[answer]] = await Promise.all([answered, once(call, 'finish')]);
  assert.equal(answer.statusCode, 409);
  const body = (await answer.setEncoding('utf8').toArray()).join('');
  assert.equal(JSON.parse(body).error.code, 'TASK_STALE');
});

test('frames wait for a slow agent and end when it goes', async (t) => {
  let yielded = 0;
  const ended = Promise.withResolvers<void>();
  const { app, logIn } = await makeAgentSide(t, {
    frames: async () =>
      (async function* () {
        try {
          for (;;) {
            yielded += 1024 * 1024;
            yield Buffer.alloc(1024 * 1024);
          }
        } finally {
          ended.resolve();
        }
      })(),
  });
  const port = await listen(app);
  const headers = { ...logIn(), 'content-type': 'application/octet-stream' };
  const path = `${TASK}/frames?nonce=0102030405060708`;
  const call = request({ host: '127.0.0.1', port, method: 'POST', path, headers, agent: false });
  call.on('error', () => {});
  call.end(Buffer.alloc(4));
  const [response] = (await once(call, 'response')) as [IncomingMessage];
  response.on('error', () => {});
  await once(response, 'readable');
  // What the sockets of both sides hold is bounded by the kernel; what the daemon holds by us.
  for (let turns = 0; turns < 50; turns++) await new Promise((resolve) => setImmediate(resolve));
  assert.ok(yielded < 64 * 1024 * 1024, `${yielded} bytes were made for an agent that reads nothing`);
  call.destroy();
  await ended.promise;
});

test('a secret is sealed to the agent that said hello: who shows its token reads nothing', async (t) => {
  const { app, hostId, tokens, logIn } = await makeAgentSide(t, {
    readSecret: async (host: number, task: number, name: string) => {
      assert.deepEqual([host, task, name], [hostId, 5, 'room-101']);
      return Buffer.from('open sesame');
    },
  });
  await app.listen({ host: '127.0.0.1', port: 0 });
  const { port } = app.server.address() as AddressInfo;
  const link = new ServerLink({ server: `http://127.0.0.1:${port}`, log: silentLogger });
  t.after(() => link.close());
  const { agentToken } = await link.hello(helloWith(tokens.issueBoot(hostId, { mac: MAC, systemUuid: SAMPLE_UUID })));
  assert.equal((await link.readSecret(5, 'room-101')).toString(), 'open sesame');

  const url = `${TASK}/secrets/room-101`;
  const heard = await app.inject({ url, headers: { authorization: `Bearer ${agentToken}` } });
  assert.equal(heard.statusCode, 200);
  const tokenHash = createHash('sha256').update(agentToken).digest();
  assert.equal(unsealSecret(heard.json(), makeSealKeyPair(), { tokenHash, taskId: 5, name: 'room-101' }), undefined);
  assert.doesNotMatch(heard.body, /sesame|b3BlbiBzZXNhbWU/);

  const keyless = await app.inject({ url, headers: logIn() });
  assert.equal(keyless.json().error.code, 'DENIED');
});
