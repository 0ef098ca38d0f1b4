import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { driftOf, runAudit } from '#agent/orders/audit.ts';
import { ServerLink } from '#agent/server-link.ts';
import type { AuditOrder, Inventory } from '#protocol/agent-api.ts';
import { identityOf } from '#protocol/disk.ts';
import { HoleSet } from '#protocol/holes.ts';
import { placeOf } from '#protocol/manifest.ts';
import { silentLogger } from '#system/log.ts';
import { makeSampleImage } from '../receive/sample-image.ts';
import { ScriptedServer } from '../scripted-server.ts';
import { diskOf } from '../test-disk.ts';

const image = makeSampleImage();
const { manifest, manifestBytes } = image;

/** Audits a disk that holds this, and says what it found; the disk must be as it was. */
async function audit(t: TestContext, content: Buffer) {
  const folder = mkdtempSync(join(tmpdir(), 'fc-audit-'));
  const diskPath = join(folder, 'disk.img');
  writeFileSync(diskPath, content);
  truncateSync(diskPath, image.disk.length);
  const before = readFileSync(diskPath);
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
  const disk = diskOf(diskPath);
  const inventory = { disks: [disk], interface: 'lo' } as unknown as Inventory;
  await link.hello({ protocol: 1, agentVersion: '0', bootToken: server.bootToken, inventory });
  const machine = { readInventory: async () => inventory, link, workerCount: 2, log: silentLogger };
  const order: AuditOrder = {
    ...{ kind: 'audit', rev: 'r1', taskId: 7, sessionId: 1 },
    ...{ manifestId: manifest.id, disk: identityOf(disk) },
  };
  const said: string[] = [];
  const onProgress = ({ phase }: { phase: string }) => void said.push(phase);
  const result = await runAudit(order, { machine, signal: new AbortController().signal, onProgress });
  assert.ok(readFileSync(diskPath).equals(before), 'nothing was written');
  assert.ok(said.includes('hash'), 'progress is visible');
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

test('volumes without chunks are left out, and the sums fit together', () => {
  const drift = driftOf(manifest, HoleSet.all(manifest.chunkCount));
  assert.deepEqual([drift.differingChunks, drift.differingBytes], [drift.chunks, drift.bytes]);
  assert.ok(drift.volumes.every(({ chunks }) => chunks > 0));
});
