/** A deploy job that hashes its disk, in this process: a real disk file, real workers, a scripted server. */
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { DeployJob } from '#agent/orders/deploy.ts';
import { ServerLink } from '#agent/server-link.ts';
import type { DeployOrder, Inventory, Progress } from '#protocol/agent-api.ts';
import { identityOf } from '#protocol/disk.ts';
import { placeOf } from '#protocol/manifest.ts';
import { silentLogger } from '#system/log.ts';
import { makeSampleImage, SESSION_ID, sampleFrames } from '../receive/sample-image.ts';
import { ScriptedServer } from '../scripted-server.ts';
import { diskOf, writeInto } from '../test-disk.ts';

const image = makeSampleImage();
const { manifest, manifestBytes } = image;
const TASK = 7;

interface JobUnderTest {
  readonly diskPath: string;
  readonly server: ScriptedServer;
  readonly said: Progress[];
  /** Holes that the step left. */
  step(step: DeployOrder['step'], o?: { hash?: boolean; signal?: AbortSignal }): Promise<number[]>;
  finish(): ReturnType<DeployJob['run']>;
  /** The agent dies and another is started. */
  restart(): Promise<void>;
}

/** `content` is what the disk holds before. */
async function setUp(t: TestContext, content: Buffer): Promise<JobUnderTest> {
  const folder = mkdtempSync(join(tmpdir(), 'fc-hash-'));
  const diskPath = join(folder, 'disk.img');
  writeFileSync(diskPath, content);
  truncateSync(diskPath, image.disk.length);
  const server = await ScriptedServer.start({
    address: '127.0.0.1',
    manifestBytes,
    chunkCount: manifest.chunkCount,
    makeFrames: (wanted, nonce) => Buffer.concat(sampleFrames(image, { ordinals: wanted, nonce, castId: 'repair' })),
  });
  const link = new ServerLink({ server: server.url, log: silentLogger });
  const disk = diskOf(diskPath);
  const inventory = { disks: [disk], interface: 'lo' } as unknown as Inventory;
  await link.hello({ protocol: 1, agentVersion: '0', bootToken: server.bootToken, inventory });
  const machine = { readInventory: async () => inventory, link, workerCount: 2, log: silentLogger };
  let round = 0;
  const order = (step: DeployOrder['step'], hash?: boolean): DeployOrder => ({
    ...{ kind: 'deploy', rev: `r${round}`, round: round++, taskId: TASK, sessionId: SESSION_ID, step },
    ...{ manifestId: manifest.id, disk: identityOf(disk), ...(hash === undefined ? {} : { hash }) },
  });
  const newJob = () => new DeployJob(order('prepare'), machine);
  let job = newJob();
  const said: Progress[] = [];
  const never = new AbortController().signal;
  t.after(async () => {
    await job.close();
    link.close();
    await server.close();
    rmSync(folder, { recursive: true });
  });
  return {
    diskPath,
    server,
    said,
    step: async (step, o = {}) => {
      await job.run(order(step, o.hash), o.signal ?? never, (progress) => said.push(progress));
      return [...server.holes!];
    },
    finish: () => job.run(order('finish'), never, () => undefined),
    restart: async () => {
      await job.close();
      job = newJob();
    },
  };
}

/** The image's own bytes, with one byte of these chunks wrong. */
function drifted(ordinals: readonly number[]): Buffer {
  const bytes = Buffer.from(image.disk);
  for (const ordinal of ordinals) bytes[placeOf(manifest, ordinal).diskOffset + 4096]! ^= 1;
  return bytes;
}

test('a host that is told to hash lacks just the chunks that have drifted, and fetches only those', async (t) => {
  const job = await setUp(t, drifted([3, 18]));
  assert.deepEqual(await job.step('prepare', { hash: true }), [3, 18]);
  assert.deepEqual(await job.step('repair'), []);
  assert.deepEqual(await job.step('verify'), []);
  const result = await job.finish();
  assert.equal(result!.verifiedChunks, manifest.chunkCount);
  const bytesOf = (ordinals: Iterable<number>) =>
    [...ordinals].reduce((sum, ordinal) => sum + placeOf(manifest, ordinal).plainBytes, 0);
  assert.equal(result!.httpBytes, bytesOf([3, 18]));
  assert.equal(result!.keptBytes, bytesOf(Array(manifest.chunkCount).keys()) - bytesOf([3, 18]));
});

test('hashing writes nothing, and its progress is told under its own name', async (t) => {
  const before = drifted([0, 5]);
  const job = await setUp(t, before);
  await job.step('prepare', { hash: true });
  assert.ok(readFileSync(job.diskPath).equals(before));
  assert.equal(job.said.at(-1)?.phase, 'hash');
  assert.equal(job.said.at(-1)?.doneBytes, job.said.at(-1)?.totalBytes);
});

test('without the word to hash everything is lacking, whatever the disk holds', async (t) => {
  const job = await setUp(t, image.disk);
  assert.equal((await job.step('prepare')).length, manifest.chunkCount);
  assert.deepEqual(job.said, []);
});

test('what lies in unused blocks is no drift', async (t) => {
  const bytes = Buffer.from(image.disk);
  // The second partition uses nothing of its first 4096 bytes.
  bytes.fill(0xaa, 4096 * 512, 4096 * 512 + 4096);
  const job = await setUp(t, bytes);
  assert.deepEqual(await job.step('prepare', { hash: true }), []);
});

test('a host whose disk is equal gets nothing, reads nothing twice, and is verified', async (t) => {
  const job = await setUp(t, image.disk);
  assert.deepEqual(await job.step('prepare', { hash: true }), []);
  job.said.length = 0;
  assert.deepEqual(await job.step('verify'), []);
  assert.deepEqual(job.said, [], 'no chunk was read');
  const result = await job.finish();
  assert.equal(result!.verifiedChunks, manifest.chunkCount);
  assert.equal(result!.castBytes + result!.httpBytes, 0);
});

test('a chunk that was written after the hash is read back before it counts as verified', async (t) => {
  const job = await setUp(t, drifted([3]));
  await job.step('prepare', { hash: true });
  await job.step('repair');
  writeInto(job.diskPath, placeOf(manifest, 3).diskOffset + 9, Buffer.from('rot'));
  assert.deepEqual(await job.step('verify'), [3]);
  assert.deepEqual(await job.step('repair'), []);
  assert.deepEqual(await job.step('verify'), []);
});

test('an agent that has laid chunks knows its holes and does not hash when it is told to prepare again', async (t) => {
  const job = await setUp(t, Buffer.alloc(0));
  await job.step('prepare');
  await job.step('repair');
  job.said.length = 0;
  assert.deepEqual(await job.step('prepare', { hash: true }), []);
  assert.deepEqual(job.said, []);
});

test('an agent that was restarted finds by hashing what its predecessor had laid', async (t) => {
  const job = await setUp(t, Buffer.alloc(0));
  await job.step('prepare');
  await job.step('repair');
  await job.restart();
  assert.deepEqual(await job.step('prepare', { hash: true }), []);
  assert.deepEqual(await job.step('verify'), []);
  assert.equal((await job.finish())!.verifiedChunks, manifest.chunkCount);
});

test('a hash that is broken off goes on where it was', async (t) => {
  const job = await setUp(t, drifted([3]));
  const abort = new AbortController();
  abort.abort();
  await assert.rejects(job.step('prepare', { hash: true, signal: abort.signal }), { name: 'AbortError' });
  assert.deepEqual(await job.step('prepare', { hash: true }), [3]);
});

test('what a raw volume held as zeros is zeros in the end, though no chunk carries it', async (t) => {
  const bytes = Buffer.from(image.disk);
  const volume = manifest.volumes.find(({ partition }) => partition === 2)!;
  // The chunks 4 and 5 of it do not exist.
  const gap = volume.startBytes + 4 * manifest.head.chunkBytes;
  bytes.fill(0x5a, gap, gap + 2 * manifest.head.chunkBytes);
  const job = await setUp(t, bytes);
  assert.deepEqual(await job.step('prepare', { hash: true }), []);
  await job.finish();
  const laid = readFileSync(job.diskPath).subarray(gap, gap + 2 * manifest.head.chunkBytes);
  assert.ok(laid.every((byte) => byte === 0));
});
