import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { MAX_CHUNK_BYTES } from '#protocol/chunk.ts';
import { MAX_STORED_BYTES, readStoredHeader, STORED_HEADER_BYTES, writeStoredHeader } from '#protocol/stored-chunk.ts';

const header = fc.record(
  {
    coding: fc.nat(255),
    id: fc.uint8Array({ minLength: 32, maxLength: 32 }),
    storedBytes: fc.integer({ min: 1, max: MAX_STORED_BYTES }),
    plainBytes: fc.integer({ min: 1, max: MAX_CHUNK_BYTES }),
  },
  { noNullPrototype: true },
);

test('a stored header that was written is read back, anywhere in a buffer', () => {
  fc.assert(
    fc.property(header, fc.nat(100), (written, offset) => {
      const buffer = Buffer.alloc(offset + STORED_HEADER_BYTES, 0xaa);
      writeStoredHeader(buffer, offset, written);
      const read = readStoredHeader(buffer, offset);
      assert.deepEqual({ ...read, id: Uint8Array.from(read!.id) }, written);
      assert.ok(buffer.subarray(0, offset).every((byte) => byte === 0xaa));
    }),
  );
});

test('one changed bit anywhere makes it no header', () => {
  fc.assert(
    fc.property(header, fc.nat(STORED_HEADER_BYTES * 8 - 1), (written, bit) => {
      const buffer = Buffer.alloc(STORED_HEADER_BYTES);
      writeStoredHeader(buffer, 0, written);
      buffer[bit >> 3]! ^= 1 << (bit & 7);
      assert.equal(readStoredHeader(buffer), undefined);
    }),
  );
});

test('garbage, half a header and lengths out of range are no header', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), fc.integer({ min: 0, max: 200 }), (bytes, offset) => {
      assert.equal(readStoredHeader(Buffer.from(bytes), offset), undefined);
    }),
  );
  const id = Buffer.alloc(32);
  for (const lengths of [
    { storedBytes: 0, plainBytes: 1 },
    { storedBytes: MAX_STORED_BYTES + 1, plainBytes: 1 },
    { storedBytes: 1, plainBytes: 0 },
    { storedBytes: 1, plainBytes: MAX_CHUNK_BYTES + 1 },
  ]) {
    const buffer = Buffer.alloc(STORED_HEADER_BYTES);
    writeStoredHeader(buffer, 0, { coding: 1, id, ...lengths });
    assert.equal(readStoredHeader(buffer), undefined);
  }
});
