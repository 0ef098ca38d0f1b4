import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { runAudit } from '#agent/orders/audit.ts';
import { driftOf } from '#agent/orders/audit-disk.ts';
import { problemOf } from '#agent/orders/disk-failure.ts';
import { ServerLink } from '#agent/server-link.ts';
import type { AuditOrder, Inventory, Progress } from '#protocol/agent-api.ts';
import { identityOf } from '#protocol/disk.ts';
import { isDrifted } from '#protocol/drift.ts';
import { HoleSet } from '#protocol/holes.ts';
import { placeOf } from '#protocol/manifest.ts';
import { silentLogger } from '#system/log.ts';
import { makeSampleImage } from '../receive/sample-image.ts';
import { ScriptedServer } from '../scripted-server.ts';
import { diskOf } from '../test-disk.ts';

const image = makeSampleImage();
const { manifest, manifestBytes } = image;

/** Audits disks that hold this, and says what it found; they must be as they were. `onManifest` is given their paths before they are read. */
async function auditDisks(t: TestContext, contents: readonly Buffer[], onManifest = (_paths: string[]) => {}) {
  const folder = mkdtempSync(join(tmpdir(), 'fc-audit-'));
  const paths = contents.map((content, i) => {
    const path = join(folder, `disk-${i}.img`);
    writeFileSync(path, content);
    truncateSync(path, image.disk.length);
    return path;
  });
  const before = paths.map((path) => readFileSync(path));
  const server = await ScriptedServer.start({
    address: '127.0.0.1',
    manifestBytes,
    chunkCount: manifest.chunkCount,
    makeFrames: () => assert.fail('an audit fetches nothing'),
  });
  const link = new ServerLink({ server: server.url, log: silentLogger });
  t.after(async () => {
    link.close();
    await server.close();
    rmSync(folder, { recursive: true });
  });
  const disks = paths.map((path, i) => ({ ...diskOf(path), serial: `D${i}` }));
  const inventory = { disks, interface: 'lo' } as unknown as Inventory;
  await link.hello({ protocol: 1, agentVersion: '0', bootToken: server.bootToken, inventory });
  const readManifest = link.readManifest.bind(link);
  link.readManifest = (...args) => {
    onManifest(paths);
    return readManifest(...args);
  };
  const machine = { readInventory: async () => inventory, link, workerCount: 2, log: silentLogger };
  const [disk, ...others] = disks.map(identityOf);
  const order: AuditOrder = {
    ...{ kind: 'audit', rev: 'r1', taskId: 7, sessionId: 1 },
    ...{ manifestId: manifest.id, disk: disk! },
    ...(others.length === 0 ? {} : { twins: others.map((twin) => ({ disk: twin })) }),
  };
  const said: Progress[] = [];
  const onProgress = (progress: Progress) => void said.push(progress);
  const result = await runAudit(order, { machine, signal: new AbortController().signal, onProgress });
  for (const [i, path] of paths.entries()) {
    if (existsSync(path)) assert.ok(readFileSync(path).equals(before[i]!), 'nothing was written');
  }
  const { doneBytes, totalBytes } = said.findLast(({ phase }) => phase === 'hash')!;
  return { result, readShare: doneBytes / totalBytes };
}

async function audit(t: TestContext, content: Buffer) {
  const { result, readShare } = await auditDisks(t, [content]);
  assert.equal(readShare, 1, 'progress is visible');
  return result;
}

test('a disk that holds the image does not differ', async (t) => {
  const result = await audit(t, image.disk);
  assert.deepEqual([result.chunks, result.differingChunks, result.differingBytes], [manifest.chunkCount, 0, 0]);
});

test('a used byte that is another makes its chunk differ, in its volume', async (t) => {
  const content = Buffer.from(image.disk);
  const { volume, diskOffset, plainBytes } = placeOf(manifest, 3);
  const start = volume.extents[0]!;
  assert.ok(start >= 0);
  for (let at = diskOffset; at < diskOffset + plainBytes; at++) content[at]! ^= 0xff;
  const result = await audit(t, content);
  assert.deepEqual([result.differingChunks, result.differingBytes], [1, plainBytes]);
  const hit = result.volumes.filter(({ differingChunks }) => differingChunks > 0);
  assert.equal(hit.length, 1);
});

test('an empty disk differs in everything that is not zero there', async (t) => {
  const result = await audit(t, Buffer.alloc(0));
  assert.ok(result.differingChunks > 0);
  assert.equal(
    result.volumes.reduce((sum, volume) => sum + volume.differingChunks, 0),
    result.differingChunks,
  );
});

test('what a raw volume held as zeros is compared too, to the block, though no chunk carries it', async (t) => {
  const volume = manifest.volumes.find(({ partition }) => partition === 2)!;
  assert.ok(volume.map === 'raw' && !volume.indices.includes(4), 'no chunk 4');
  const content = Buffer.from(image.disk);
  const at = volume.startBytes + 4 * manifest.head.chunkBytes;
  content.fill(1, at + 100, at + 5000);
  const result = await audit(t, content);
  assert.deepEqual([result.differingChunks, result.strayBytes, isDrifted(result)], [0, 8192, true]);
  assert.deepEqual(
    result.volumes.map(({ partition, strayBytes }) => [partition, strayBytes]),
    [
      [1, undefined],
      [2, 8192],
    ],
  );
});

test('volumes without chunks are left out, and the sums fit together', () => {
  const drift = driftOf(manifest, HoleSet.all(manifest.chunkCount));
  assert.deepEqual([drift.differingChunks, drift.differingBytes], [drift.chunks, drift.bytes]);
  assert.ok(drift.volumes.every(({ chunks }) => chunks > 0));
});

test('of several disks each is compared by itself, and the sums are of all', async (t) => {
  const spoilt = Buffer.from(image.disk);
  spoilt[placeOf(manifest, 3).diskOffset]! ^= 0xff;
  const { result, readShare } = await auditDisks(t, [image.disk, spoilt]);
  assert.equal(readShare, 1);
  assert.deepEqual([result.chunks, result.differingChunks, result.disk.serial], [2 * manifest.chunkCount, 1, 'D0']);
  assert.deepEqual(
    result.disks!.map((one) => [one.disk.serial, 'differingChunks' in one && one.differingChunks]),
    [
      ['D0', 0],
      ['D1', 1],
    ],
  );
  assert.equal(problemOf(result), undefined);
});

test('a disk that goes away fails alone: what the other one holds is said', async (t) => {
  const { result } = await auditDisks(t, [image.disk, image.disk], (paths) => rmSync(paths[1]!));
  assert.deepEqual([result.chunks, result.differingChunks], [manifest.chunkCount, 0]);
  assert.match(problemOf(result)!.message, /1 of 2 disks failed, the other one is done: .*disk-1\.img/);
});
