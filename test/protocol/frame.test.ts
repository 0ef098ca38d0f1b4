import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { MAX_CHUNK_BYTES } from '#protocol/chunk.ts';
import {
  FRAME_CHUNK,
  FRAME_HEADER_BYTES,
  FRAME_MAGIC_BYTES,
  FRAME_TRAILER,
  MAX_CONTROL_BYTES,
  readFrameHeader,
  writeFrameHeader,
} from '#protocol/frame.ts';
import { MAX_STORED_BYTES } from '#protocol/stored-chunk.ts';

const eightBytes = fc.uint8Array({ minLength: 8, maxLength: 8 });
const u32 = fc.integer({ min: 0, max: 0xffffffff });
const frame = fc.integer({ min: 1, max: 3 }).chain((kind) =>
  fc.record(
    {
      kind: fc.constant(kind),
      coding: fc.nat(255),
      nonce: eightBytes,
      manifestTag: eightBytes,
      ordinal: u32,
      payloadBytes: fc.nat(kind === FRAME_CHUNK ? MAX_STORED_BYTES : MAX_CONTROL_BYTES),
      plainBytes: fc.nat(MAX_CHUNK_BYTES),
      sequence: u32,
    },
    { noNullPrototype: true },
  ),
);

test('a frame header that was written is read back, anywhere in a buffer', () => {
  fc.assert(
    fc.property(frame, fc.nat(100), (written, offset) => {
      const buffer = Buffer.alloc(offset + FRAME_HEADER_BYTES);
      writeFrameHeader(buffer, offset, written);
      const read = readFrameHeader(buffer, offset)!;
      const plain = { ...read, nonce: Uint8Array.from(read.nonce), manifestTag: Uint8Array.from(read.manifestTag) };
      assert.deepEqual(plain, written);
      assert.deepEqual(Uint8Array.from(buffer.subarray(offset, offset + 4)), FRAME_MAGIC_BYTES);
    }),
  );
});

test('one changed bit anywhere makes it no header', () => {
  fc.assert(
    fc.property(frame, fc.nat(FRAME_HEADER_BYTES * 8 - 1), (written, bit) => {
      const buffer = Buffer.alloc(FRAME_HEADER_BYTES);
      writeFrameHeader(buffer, 0, written);
      buffer[bit >> 3]! ^= 1 << (bit & 7);
      assert.equal(readFrameHeader(buffer), undefined);
    }),
  );
});

test('garbage, half a header, unknown kinds and lengths out of range are no header', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), fc.integer({ min: 0, max: 200 }), (bytes, offset) => {
      assert.equal(readFrameHeader(Buffer.from(bytes), offset), undefined);
    }),
  );
  const good = {
    kind: FRAME_CHUNK,
    coding: 1,
    nonce: Buffer.alloc(8),
    manifestTag: Buffer.alloc(8),
    ordinal: 0,
    payloadBytes: 1,
    plainBytes: 1,
    sequence: 1,
  };
  for (const wrong of [
    { kind: 0 },
    { kind: 4 },
    { payloadBytes: MAX_STORED_BYTES + 1 },
    { kind: FRAME_TRAILER, payloadBytes: MAX_CONTROL_BYTES + 1 },
    { plainBytes: MAX_CHUNK_BYTES + 1 },
  ]) {
    const buffer = Buffer.alloc(FRAME_HEADER_BYTES);
    writeFrameHeader(buffer, 0, { ...good, ...wrong });
    assert.equal(readFrameHeader(buffer), undefined);
  }
});
