import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { chunkIdOf, chunkIndicesOf, chunkLength, normalizeExtents } from '#protocol/chunk.ts';
import { KnownError } from '#protocol/errors.ts';
import type { Layout } from '#protocol/layout.ts';
import {
  canonicalJson,
  decodeManifest,
  encodeManifest,
  idAt,
  manifestTag,
  placeOf,
  type VolumeContent,
} from '#protocol/manifest.ts';
import { encodeGoldenManifest } from './golden-values.ts';

const CHUNK_BYTES = 65_536;
const layout: Layout = { label: 'gpt', sectorBytes: 512, diskBytes: 2 ** 40, partitions: [] };

const volume: fc.Arbitrary<VolumeContent> = fc
  .record({
    startBytes: fc.nat(2 ** 31 - 1).map((sectors) => sectors * 512),
    sizeBytes: fc.integer({ min: 1, max: 40 * CHUNK_BYTES }),
    partition: fc.integer({ min: 1, max: 128 }),
    filesystem: fc.option(fc.string(), { nil: undefined }),
  })
  .chain(({ filesystem, ...place }) =>
    fc.array(fc.tuple(fc.nat(place.sizeBytes), fc.nat(place.sizeBytes)), { maxLength: 12 }).map((runs) => ({
      head: { kind: 'partition' as const, ...place, map: 'raw', ...(filesystem === undefined ? {} : { filesystem }) },
      extents: normalizeExtents(runs, place.sizeBytes),
    })),
  );

function idsFor(volumes: readonly VolumeContent[]): Uint8Array {
  const count = volumes.reduce((sum, one) => sum + chunkIndicesOf(one.extents, CHUNK_BYTES).length, 0);
  return Buffer.concat(Array.from({ length: count }, (_, i) => chunkIdOf(Buffer.from(String(i)))));
}

test('a manifest that was encoded is decoded to the same, and every chunk knows its place', () => {
  fc.assert(
    fc.property(fc.array(volume, { maxLength: 5 }), (volumes) => {
      const ids = idsFor(volumes);
      const bytes = encodeManifest({ chunkBytes: CHUNK_BYTES, hash: 'blake3-256', layout }, volumes, ids);
      const manifest = decodeManifest(bytes, chunkIdOf(bytes).toString('hex'));
      assert.deepEqual(manifest.head.layout, layout);
      assert.deepEqual(
        manifest.head.volumes,
        volumes.map((one) => one.head),
      );
      assert.deepEqual(
        manifest.volumes.map((one) => one.extents),
        volumes.map((one) => one.extents),
      );
      assert.deepEqual(Buffer.from(manifest.ids), ids.length === 0 ? Buffer.alloc(0) : ids);
      let ordinal = 0;
      for (const { head, extents } of volumes) {
        for (const index of chunkIndicesOf(extents, CHUNK_BYTES)) {
          const place = placeOf(manifest, ordinal);
          assert.equal(place.diskOffset, head.startBytes + index * CHUNK_BYTES);
          assert.equal(place.volumeOffset, index * CHUNK_BYTES);
          assert.equal(place.plainBytes, chunkLength(index, CHUNK_BYTES, head.sizeBytes));
          assert.deepEqual(Buffer.from(idAt(manifest, ordinal)), chunkIdOf(Buffer.from(String(ordinal))));
          ordinal++;
        }
      }
      assert.equal(manifest.chunkCount, ordinal);
      assert.throws(() => placeOf(manifest, ordinal), RangeError);
    }),
  );
});

test('one changed byte is found when the id is known', () => {
  const bytes = encodeGoldenManifest();
  const id = chunkIdOf(bytes).toString('hex');
  fc.assert(
    fc.property(fc.nat(bytes.length - 1), fc.integer({ min: 1, max: 255 }), (at, change) => {
      const damaged = Buffer.from(bytes);
      damaged[at]! ^= change;
      const code =
        (damaged[4]! | (damaged[5]! << 8)) > 2 && damaged.readUInt32LE(0) === bytes.readUInt32LE(0)
          ? 'MANIFEST_NEWER'
          : 'MANIFEST_CORRUPT';
      assert.throws(() => decodeManifest(damaged, id), { code });
    }),
  );
});

test('whatever bytes come without an id, it is a manifest or a known error, quickly and without much memory', () => {
  const whole = encodeGoldenManifest();
  const mutated = fc
    .tuple(fc.array(fc.tuple(fc.nat(whole.length - 1), fc.nat(255)), { maxLength: 6 }), fc.nat(whole.length))
    .map(([changes, length]) => {
      const bytes = Buffer.from(whole);
      for (const [at, value] of changes) bytes[at] = value;
      return length % 3 === 0 ? bytes.subarray(0, length) : bytes;
    });
  const garbage = fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes));
  fc.assert(
    fc.property(fc.oneof(mutated, garbage), (bytes) => {
      try {
        assert.equal(decodeManifest(bytes).id, chunkIdOf(bytes).toString('hex'));
      } catch (error) {
        assert.ok(error instanceof KnownError, String(error));
      }
    }),
    { numRuns: 1000 },
  );
});

test('a newer version is told apart from damage, whatever follows its header', () => {
  const bytes = encodeGoldenManifest().subarray(0, 60);
  bytes.writeUInt16LE(7, 4);
  assert.throws(() => decodeManifest(bytes), { code: 'MANIFEST_NEWER', message: /version 7.*up to 2/ });
});

test('equal content has equal bytes, in whatever order its members were made', () => {
  const json = fc.jsonValue();
  fc.assert(
    fc.property(fc.dictionary(fc.string(), json), (value) => {
      const text = canonicalJson(value);
      assert.equal(canonicalJson(Object.fromEntries(Object.entries(value).reverse())), text);
      assert.deepEqual(JSON.parse(text), JSON.parse(JSON.stringify(value)));
    }),
  );
});

test('a manifest of 240,000 chunks is small and costs no object a chunk', () => {
  const sizeBytes = 240_000 * 262_144;
  const head = { kind: 'partition' as const, partition: 1, startBytes: 1_048_576, sizeBytes, map: 'raw' };
  // 20,000 runs, as on a used disk.
  const extents = new Float64Array(40_000).map(
    (_, i) => Math.floor(i / 2) * 12 * 262_144 + (i % 2 ? 12 * 262_144 - 4096 : 0),
  );
  const bytes = encodeManifest(
    { chunkBytes: 262_144, hash: 'blake3-256', layout },
    [{ head, extents }],
    Buffer.alloc(240_000 * 32, 5),
  );
  assert.ok(bytes.length < 8_000_000, `${bytes.length} bytes`);
  const manifest = decodeManifest(bytes);
  assert.equal(manifest.chunkCount, 240_000);
  assert.ok(manifest.ids.buffer === bytes.buffer, 'the ids are a view of the bytes');
  assert.ok(manifest.volumes[0]!.indices instanceof Uint32Array);
  assert.ok(manifest.volumes[0]!.extents instanceof Float64Array);
});

test('the tag of a frame is the beginning of the manifest id', () => {
  assert.equal(manifestTag('0123456789abcdef'.repeat(4)).toString('hex'), '0123456789abcdef');
});
