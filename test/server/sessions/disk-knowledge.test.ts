import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { DeployResult } from '#protocol/task-result.ts';
import type { GivenDisk } from '#server/db/task-history.ts';
import { knowledgeOf, likenessOf, USUAL_DRIFT } from '#server/sessions/disk-knowledge.ts';
import { makeSampleImage } from '#test/client-agent/receive/sample-image.ts';

const disk = { model: 'Disk', serial: 'S1', sizeBytes: 1e9, sectorBytes: 512 };

function given(more: Partial<GivenDisk> = {}): GivenDisk {
  const base = { sessionId: 12, disk, image: 'win11', version: 3, manifestId: 'aa', endedMs: 1000 };
  return { ...base, isWhole: true, have: 100, ...more };
}

function result(more: Partial<DeployResult>): { result: DeployResult } {
  const base = { disk: {} as DeployResult['disk'], chunks: 100, castBytes: 0, httpBytes: 0, verifiedChunks: 100 };
  return { result: { ...base, ...more } };
}

test('of a disk without a task, or of another disk of the host, nothing is known', () => {
  assert.deepEqual(knowledgeOf(disk, [], 100), { keptShare: 0 });
  assert.equal(knowledgeOf({ ...disk, serial: 'S2' }, [given()], 100).keptShare, 0);
});

test('a disk that got its whole image has drifted since, by a usual share', () => {
  assert.equal(knowledgeOf(disk, [given()], 100).keptShare, 1 - USUAL_DRIFT);
});

test('when the session before gave it the same image, the drift is what the last one found', () => {
  const nightly = given(result({ keptBytes: 980, castBytes: 15, httpBytes: 5 }));
  assert.ok(Math.abs(knowledgeOf(disk, [nightly, given()], 100).keptShare - 0.98) < 1e-9);
  assert.equal(knowledgeOf(disk, [nightly, given({ manifestId: 'bb' })], 100).keptShare, 1 - USUAL_DRIFT);
});

test('a session that ended in the middle left as much as its reports said', () => {
  const half = given({ isWhole: false, have: 63 });
  assert.equal(knowledgeOf(disk, [half, given()], 100).keptShare, 0.63);
  assert.equal(knowledgeOf(disk, [half], undefined).keptShare, 0, 'its image is gone');
});

test('how fast the disk was read is taken from the newest task that measured it', () => {
  const rows = [given(), given(result({ readBytesPerSecond: 5e8 })), given(result({ readBytesPerSecond: 1e8 }))];
  assert.equal(knowledgeOf(disk, rows, 100).readBytesPerSecond, 5e8);
});

test('two images are alike by the bytes that have the same content in the same place', () => {
  const [one, other] = [makeSampleImage(1).manifest, makeSampleImage(2).manifest];
  assert.equal(likenessOf(one, one), 1);
  assert.equal(likenessOf(one, other), 0);
  const mixed = { ...other, id: 'mixed', ids: Uint8Array.from(other.ids) };
  mixed.ids.set(one.ids.subarray(0, 32 * 11), 0);
  const share = likenessOf(one, mixed);
  assert.ok(share > 0.4 && share < 0.6, String(share));
  assert.equal(likenessOf({ ...one, head: { ...one.head, chunkBytes: 1 << 20 } }, other), 0, 'another grid');
});
