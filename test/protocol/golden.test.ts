/** Bytes of every released version of a format: today's code writes the newest of them and reads them all. */
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { zstdDecompressSync } from 'node:zlib';
import { chunkIdOf } from '#protocol/chunk.ts';
import { FRAME_HEADER_BYTES, readFrameHeader } from '#protocol/frame.ts';
import { HoleSet } from '#protocol/holes.ts';
import { decodeManifest, idAt, placeOf } from '#protocol/manifest.ts';
import { chunksOf, layoutsOf, partOfDisk } from '#protocol/source-disk.ts';
import { readStoredHeader, STORED_HEADER_BYTES } from '#protocol/stored-chunk.ts';
import { readPackContent } from '#server/images/pack-reader.ts';
import { tempFolder } from '#test/temp-folder.ts';
import {
  encodeGoldenFrames,
  encodeGoldenHoles,
  encodeGoldenLuksManifest,
  encodeGoldenManifest,
  encodeGoldenPack,
  encodeGoldenPair,
  encodeGoldenStoredChunk,
  goldenContainers,
  goldenDataLayout,
  goldenDataVolume,
  goldenFrames,
  goldenHead,
  goldenHoleCount,
  goldenHoles,
  goldenId,
  goldenInnerVolumes,
  goldenPackEntries,
  goldenPlain,
  goldenVolumes,
} from './golden-values.ts';

/** BLAKE3 of the files, taken from b3sum(1): a golden file that was written again by mistake does not pass. */
const sums = {
  'manifest-v1.fcm': '8b60f3a1d9c51b41b699068f15db1361138d4407c9c7ddd1e95a591d1a111a4a',
  'manifest-v2.fcm': '307a4e803d4dd801129394b7d0fce68f01d37e4ec51dce90f0675727423bef91',
  'manifest-v2-disks.fcm': 'b48cbb01343e96f9e2392412a48e2210bd2a623717485cb0b58e0a83399a8c80',
  'pack-v1.pack': '5087d9412571fca3bd43a02c113a6bc150a046328e47894fc28861e545876077',
  'stored-chunk-v1.bin': '495f37c5e2b9844b3f8978a4210652ff4aee5609f61696b988dbe134a6dd3833',
  'frames-v1.bin': '17937a41ee280499a44e12fb811393bb4b8f8152ba07d4fe881c52bb0ba1cea3',
  'holes-v1.bin': '3b9f8872c544434483a2e431275f8fb1ac0cd3a0a4e7fb3a064d8330aed8eb47',
};
const packName = '9bfeb6a38e368b1168f0fd91fc698b0e85e200f8e2bfcef75332d336e03bfe05';

function golden(name: keyof typeof sums): Buffer {
  const bytes = readFileSync(join(import.meta.dirname, 'golden', name));
  assert.equal(chunkIdOf(bytes).toString('hex'), sums[name], `${name} was changed`);
  return bytes;
}

test('manifest version 1 is written and read as ever', () => {
  const bytes = golden('manifest-v1.fcm');
  assert.deepEqual(encodeGoldenManifest(), bytes);
  const manifest = decodeManifest(bytes, sums['manifest-v1.fcm']);
  assert.deepEqual(manifest.head, { ...goldenHead, volumes: goldenVolumes.map((volume) => volume.head) });
  assert.deepEqual(
    manifest.volumes.map((volume) => volume.extents),
    goldenVolumes.map((volume) => volume.extents),
  );
  assert.deepEqual([...manifest.volumes[1]!.indices], [0, 1, 2, 3, 4, 399]);
  assert.deepEqual(Buffer.from(idAt(manifest, 5)), Buffer.alloc(32, 5));
  assert.deepEqual(placeOf(manifest, 5).diskOffset, 1_048_576 + 399 * 262_144);
});

test('manifest version 2, with LUKS containers, is written and read as ever', () => {
  const bytes = golden('manifest-v2.fcm');
  assert.deepEqual(encodeGoldenLuksManifest(), bytes);
  const { head } = decodeManifest(bytes, sums['manifest-v2.fcm']);
  const volumes = goldenInnerVolumes.map((volume) => volume.head);
  assert.deepEqual(head, { ...goldenHead, containers: goldenContainers, volumes });
});

test('manifest version 2 names the disk of each volume, and the part of a disk keeps its ordinals', () => {
  const bytes = golden('manifest-v2-disks.fcm');
  assert.deepEqual(encodeGoldenPair(), bytes);
  const manifest = decodeManifest(bytes, sums['manifest-v2-disks.fcm']);
  assert.deepEqual(layoutsOf(manifest.head), [goldenHead.layout, goldenDataLayout]);
  const [system, data] = [partOfDisk(manifest, 0), partOfDisk(manifest, 1)];
  assert.deepEqual(system.head, { ...goldenHead, volumes: goldenVolumes.map((volume) => volume.head) });
  assert.deepEqual([data.head.layout, data.head.volumes], [goldenDataLayout, [goldenDataVolume.head]]);
  assert.deepEqual([[...chunksOf(system)], [...chunksOf(data)]], [[0, 1, 2, 3, 4, 5], [6]]);
  assert.deepEqual([placeOf(data, 6).diskOffset, idAt(data, 6)[0]], [1_048_576, 6]);
  assert.throws(() => placeOf(data, 5), RangeError);
  assert.throws(() => partOfDisk(manifest, 2), RangeError);
});

test('pack version 1 is written and read as ever', async (t) => {
  const bytes = golden('pack-v1.pack');
  assert.deepEqual(encodeGoldenPack(), { bytes, name: packName });
  const dir = tempFolder(t);
  const path = join(dir, 'x.pack');
  writeFileSync(path, bytes);
  assert.deepEqual(await readPackContent(path, packName), { entries: goldenPackEntries, isRescued: false });
  // Without its index the same chunks are found.
  writeFileSync(path, bytes.subarray(0, -64));
  assert.deepEqual(await readPackContent(path, packName), { entries: goldenPackEntries, isRescued: true });
});

test('stored chunk version 1 is written and read as ever', () => {
  const bytes = golden('stored-chunk-v1.bin');
  assert.deepEqual(encodeGoldenStoredChunk(), bytes);
  const header = readStoredHeader(bytes)!;
  assert.deepEqual(
    { ...header, id: Buffer.from(header.id) },
    { coding: 1, id: goldenId, storedBytes: 26, plainBytes: 1000 },
  );
  assert.deepEqual(zstdDecompressSync(bytes.subarray(STORED_HEADER_BYTES)), goldenPlain);
});

test('frames version 1 are written and read as ever', () => {
  const bytes = golden('frames-v1.bin');
  assert.deepEqual(encodeGoldenFrames(), bytes);
  let at = 0;
  for (const { header, payload } of goldenFrames) {
    assert.deepEqual(readFrameHeader(bytes, at), header);
    at += FRAME_HEADER_BYTES;
    assert.deepEqual(bytes.subarray(at, at + payload.length), payload);
    at += payload.length;
  }
  assert.equal(at, bytes.length);
});

test('holes are written and read as ever', () => {
  const bytes = golden('holes-v1.bin');
  assert.deepEqual(encodeGoldenHoles(), bytes);
  assert.deepEqual([...HoleSet.decode(bytes, goldenHoleCount)!], goldenHoles);
});
