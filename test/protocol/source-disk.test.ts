import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { LuksContainer } from '#protocol/luks-container.ts';
import { decodeManifest, encodeManifest } from '#protocol/manifest.ts';
import { chunksOf, partOfDisk } from '#protocol/source-disk.ts';
import {
  encodeGoldenManifest,
  goldenContainers,
  goldenDataLayout,
  goldenDataVolume,
  goldenHead,
} from './golden-values.ts';

test('an image of one disk is its own part', () => {
  const manifest = decodeManifest(encodeGoldenManifest());
  assert.equal(partOfDisk(manifest, 0), manifest);
  assert.equal(chunksOf(manifest).count, manifest.chunkCount);
});

test('a LUKS container is of the part of its disk', () => {
  const [container] = goldenContainers as readonly [LuksContainer];
  const containers = [container, { ...container, disk: 1 }];
  const head = { ...goldenHead, moreDisks: [goldenDataLayout], containers };
  const manifest = decodeManifest(encodeManifest(head, [goldenDataVolume], Buffer.alloc(32)));
  assert.deepEqual(
    [0, 1].map((disk) => partOfDisk(manifest, disk).head.containers),
    [[containers[0]], [containers[1]]],
  );
});

test('a volume of a disk that the image does not have is refused', () => {
  const volume = { ...goldenDataVolume, head: { ...goldenDataVolume.head, disk: 2 } };
  const bytes = encodeManifest({ ...goldenHead, moreDisks: [goldenDataLayout] }, [volume], Buffer.alloc(32));
  assert.throws(() => decodeManifest(bytes), { code: 'MANIFEST_CORRUPT', message: /a volume of no disk/ });
});
