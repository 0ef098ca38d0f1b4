import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { zstdCompressSync } from 'node:zlib';
import fc from 'fast-check';
import { allocateAligned } from '#agent/disk/direct-file.ts';
import { ZstdDecoder } from '#agent/receive/zstd-decoder.ts';

const decoder = new ZstdDecoder();

test('the pinned Node has the handle that the decoder is made for', () => {
  assert.equal(decoder.isDirect, true);
});

test('frames come out as they went in, at their place and nowhere else', () => {
  const into = allocateAligned(64 * 1024);
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 1, maxLength: 20_000 }), fc.nat(1000), (bytes, at) => {
      into.fill(0xee);
      assert.equal(decoder.unpack(zstdCompressSync(bytes), into, at, bytes.length), true);
      assert.deepEqual(into.subarray(at, at + bytes.length), Buffer.from(bytes));
      assert.ok(into.subarray(0, at).every((byte) => byte === 0xee));
      assert.ok(into.subarray(at + bytes.length + 1).every((byte) => byte === 0xee));
    }),
  );
});

test('a frame that is cut, damaged, too long or too short is refused, and the next one is not harmed', () => {
  const into = allocateAligned(64 * 1024);
  const plain = randomBytes(10_000);
  const frame = zstdCompressSync(plain);
  const damaged = Buffer.from(frame);
  damaged.writeUInt32LE(0, 0);
  for (const [bytes, plainBytes] of [
    [frame.subarray(0, -1), 10_000],
    [damaged, 10_000],
    [frame, 9_999],
    [frame, 10_001],
    [Buffer.concat([frame, frame]), 10_000],
    [Buffer.from('not zstd at all'), 10_000],
  ] as const) {
    assert.equal(decoder.unpack(bytes, into, 0, plainBytes), false);
    assert.equal(decoder.unpack(frame, into, 0, 10_000), true);
    assert.deepEqual(into.subarray(0, 10_000), plain);
  }
});
