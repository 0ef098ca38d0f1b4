/** A deploy job with several disks, in this process: real disk files, real workers, a scripted server. */
import assert from 'node:assert/strict';
import { readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { DeployJob } from '#agent/orders/deploy.ts';
import { problemOf } from '#agent/orders/disk-failure.ts';
import { ServerLink } from '#agent/server-link.ts';
import type { DeployOrder, Inventory, Progress } from '#protocol/agent-api.ts';
import { type Disk, identityOf } from '#protocol/disk.ts';
import { silentLogger } from '#system/log.ts';
import { tempFolder } from '#test/temp-folder.ts';
import { makeSampleImage, SESSION_ID, sampleFrames } from '../receive/sample-image.ts';
import { ScriptedServer } from '../scripted-server.ts';
import { diskOf } from '../test-disk.ts';

const image = makeSampleImage();
const { manifest, manifestBytes } = image;
/** What of the image is used, to compare: the first partition. */
const USED = [2048 * 512, 2048 * 512 + 2047 * 512] as const;

/** A disk for each of these contents; all of them call themselves the same, as disks in some docks do. */
async function setUp(t: TestContext, contents: readonly Buffer[]) {
  const folder = tempFolder(t);
  const paths = contents.map((content, i) => {
    const path = join(folder, `disk-${i}.img`);
    writeFileSync(path, content);
    truncateSync(path, image.disk.length);
    return path;
  });
  const server = await ScriptedServer.start({
    address: '127.0.0.1',
    manifestBytes,
    chunkCount: manifest.chunkCount,
    makeFrames: (wanted, nonce) => Buffer.concat(sampleFrames(image, { ordinals: wanted, nonce, castId: 'repair' })),
  });
  const link = new ServerLink({ server: server.url, log: silentLogger });
  const inventory = { disks: paths.map((path): Disk => diskOf(path)), interface: 'lo' } as unknown as Inventory;
  await link.hello({ protocol: 1, agentVersion: '0', bootToken: server.bootToken, inventory });
  const machine = { readInventory: async () => inventory, link, workerCount: 2, log: silentLogger };
  const [disk, ...others] = inventory.disks.map(identityOf);
  let round = 0;
  const order = (step: DeployOrder['step'], hash?: boolean): DeployOrder => ({
    ...{ kind: 'deploy', rev: `r${round}`, round: round++, taskId: 7, sessionId: SESSION_ID, step },
    ...{ manifestId: manifest.id, disk: disk!, twins: others.map((twin) => ({ disk: twin })) },
    ...(hash === undefined ? {} : { hash }),
  });
  let job = new DeployJob(order('prepare'), machine);
  t.after(async () => {
    await job.close();
    link.close();
    await server.close();
  });
  const said: Progress[] = [];
  const run = (step: DeployOrder['step'], hash?: boolean) =>
    job.run(order(step, hash), new AbortController().signal, (progress) => said.push(progress));
  return {
    ...{ paths, inventory, said, run },
    /** Holes that the step left, as the server is told. */
    step: async (step: DeployOrder['step'], hash?: boolean) => {
      await run(step, hash);
      return server.holes!.count;
    },
    restart: async () => {
      await job.close();
      job = new DeployJob(order('prepare'), machine);
    },
  };
}

function assertLaid(path: string): void {
  const [start, end] = USED;
  assert.ok(readFileSync(path).subarray(start, end).equals(image.disk.subarray(start, end)), path);
}

test('disks that cannot be told apart all get the image, by one repair, and have a table at the end', async (t) => {
  const { paths, step, run } = await setUp(t, [Buffer.alloc(0), Buffer.alloc(0), Buffer.alloc(0)]);
  assert.equal(await step('prepare'), manifest.chunkCount);
  assert.equal(await step('repair'), 0);
  assert.equal(await step('verify'), 0);
  const result = (await run('finish'))!;
  assert.equal(problemOf(result), undefined);
  assert.deepEqual(
    result.disks?.map(({ disk, verifiedChunks }) => [disk.path, verifiedChunks]),
    paths.map((path) => [path, manifest.chunkCount]),
  );
  assert.equal(result.httpBytes, 3 * result.disks![0]!.httpBytes);
  for (const path of paths) assertLaid(path);
  for (const path of paths) assert.match(readFileSync(path).toString('latin1', 512, 520), /^EFI PART$/);
});

test('what any disk lacks is lacking; what one holds is not written to it again, also by another agent', async (t) => {
  const wrong = Buffer.from(image.disk);
  wrong[USED[0] + 5]! ^= 1;
  const { paths, step, run, restart, said } = await setUp(t, [image.disk, Buffer.alloc(0), wrong]);
  assert.equal(await step('prepare', true), manifest.chunkCount, 'one of them is empty');
  assert.equal(await step('repair'), 0);
  // Its memory is lost with it: it must find by itself that all is there.
  await restart();
  assert.equal(await step('prepare', true), 0);
  assert.equal(await step('verify'), 0);
  const result = (await run('finish'))!;
  assert.deepEqual([result.castBytes, result.httpBytes, result.verifiedChunks], [0, 0, manifest.chunkCount]);
  for (const path of paths) assertLaid(path);
  const { doneBytes, totalBytes } = said.findLast(({ phase }) => phase === 'hash')!;
  assert.equal(doneBytes, totalBytes, 'the progress of all of them together');
});

test('a disk that breaks between two steps is left and named, and the others are finished', async (t) => {
  const { paths, step, run } = await setUp(t, [Buffer.alloc(0), Buffer.alloc(0)]);
  await step('prepare');
  assert.equal(await step('repair'), 0);
  truncateSync(paths[1]!, 1024 * 1024);
  assert.equal(await step('verify'), 0, 'what the broken one lacks nobody needs');
  const result = (await run('finish'))!;
  assert.deepEqual(
    result.disks?.map(({ error }) => error?.code),
    [undefined, 'DISK_READ_FAILED'],
  );
  assert.match(problemOf(result)!.message, /1 of 2 disks failed, the other one is done: .*disk-1\.img .*reading/);
  assertLaid(paths[0]!);
});

test('before anything is written every disk of the plan must be there', async (t) => {
  const { paths, inventory, step } = await setUp(t, [Buffer.from('old'), Buffer.from('old')]);
  inventory.disks.pop();
  await assert.rejects(step('prepare'), { code: 'DISK_CHANGED' });
  assert.equal(readFileSync(paths[0]!).toString('latin1', 0, 3), 'old');
});
