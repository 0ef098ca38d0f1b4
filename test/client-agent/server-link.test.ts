import assert from 'node:assert/strict';
import { test } from 'node:test';
import { retryWhileAway, ServerLink } from '#agent/server-link.ts';
import type { Hello } from '#protocol/agent-api.ts';
import { KnownError, knownError } from '#protocol/errors.ts';
import { HoleSet } from '#protocol/holes.ts';
import { silentLogger } from '#system/log.ts';
import { makeSampleImage, sampleFrames } from './receive/sample-image.ts';
import { ScriptedServer } from './scripted-server.ts';

const image = makeSampleImage();
const script = {
  address: '127.0.0.1',
  manifestBytes: image.manifestBytes,
  chunkCount: image.manifest.chunkCount,
  makeFrames: (wanted: HoleSet, nonce: Buffer) => Buffer.concat(sampleFrames(image, { ordinals: wanted, nonce })),
};
const hello = { protocol: 1, bootToken: 'boot-token' } as Hello;
const never = new AbortController().signal;

test('a call waits for a server that is not there yet', async (t) => {
  const first = await ScriptedServer.start(script);
  const { url } = first;
  await first.close();
  const link = new ServerLink({ server: url, log: silentLogger });
  const welcome = link.hello(hello, never);
  const server = await ScriptedServer.start({ ...script, port: Number(new URL(url).port) });
  t.after(async () => {
    link.close();
    await server.close();
  });
  assert.equal((await welcome).hostName, 'pc-1');
  assert.deepEqual(await link.readManifest(image.manifest.id), image.manifestBytes);
});

test('a call to a server that is away ends with its signal', async () => {
  const link = new ServerLink({ server: 'http://127.0.0.1:9', log: silentLogger });
  const abort = new AbortController();
  const order = link.order('', abort.signal);
  abort.abort();
  await assert.rejects(order, { name: 'AbortError' });
});

test('a server that cannot write its database is waited for; any other refusal is final', async () => {
  const codes = ['DATABASE_BLOCKED', 'DATABASE_BLOCKED', 'DENIED'] as const;
  let calls = 0;
  const call = async () => {
    throw knownError(codes[calls++]!, { reason: 'database or disk is full' });
  };
  await assert.rejects(retryWhileAway(call, never, silentLogger), { code: 'DENIED' });
  assert.equal(calls, 3);
});

test('a report to a server that is away fails at once, so that the next one is newer', async () => {
  const link = new ServerLink({ server: 'http://127.0.0.1:9', log: silentLogger });
  await assert.rejects(
    link.report({ rev: 'a', status: 'idle' }),
    (error) => error instanceof KnownError && error.code === 'DAEMON_UNREACHABLE',
  );
});

test('what the server refuses comes as the error that it said', async (t) => {
  const server = await ScriptedServer.start(script);
  const link = new ServerLink({ server: server.url, log: silentLogger });
  t.after(async () => {
    link.close();
    await server.close();
  });
  await assert.rejects(link.order('', never), (error) => error instanceof KnownError && error.code === 'TOKEN_REFUSED');
  await link.hello(hello);
  await assert.rejects(
    link.lacking(1, Buffer.alloc(32)),
    (error) => error instanceof KnownError && error.code === 'NOT_FOUND',
  );
});

test('holes go up and the frames that are wanted come down', async (t) => {
  const server = await ScriptedServer.start(script);
  const link = new ServerLink({ server: server.url, log: silentLogger });
  t.after(async () => {
    link.close();
    await server.close();
  });
  await link.hello(hello);
  const holes = HoleSet.none(image.manifest.chunkCount);
  holes.add(3);
  await link.putHoles(7, holes);
  assert.deepEqual([...server.holes!], [3]);
  const pieces: Buffer[] = [];
  for await (const piece of await link.frames(7, holes, '0102030405060708', never)) pieces.push(piece as Buffer);
  assert.deepEqual(Buffer.concat(pieces), Buffer.concat(sampleFrames(image, { ordinals: [3] })));
});
