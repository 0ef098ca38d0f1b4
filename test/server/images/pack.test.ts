import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  encodePackHeader,
  encodePackTail,
  PACK_FOOTER_BYTES,
  type PackEntry,
  packBytesOf,
  readPackFooter,
  readPackHeader,
  readPackIndex,
} from '#server/images/pack.ts';

/** Entries of chunks that lie one after another, and where the last one ends. */
const content = fc
  .array(
    fc.record({
      id: fc.uint8Array({ minLength: 32, maxLength: 32 }).map((id) => Buffer.from(id)),
      storedBytes: fc.integer({ min: 1, max: 4_000_000 }),
      plainBytes: fc.integer({ min: 1, max: 4_194_304 }),
    }),
    { maxLength: 40 },
  )
  .map((chunks) => {
    let end = 16;
    const entries = chunks.map((chunk): PackEntry => {
      const entry = { ...chunk, offset: end };
      end += 64 + chunk.storedBytes;
      return entry;
    });
    return { entries, end };
  });

function split(tail: Buffer): { index: Buffer; footer: Buffer } {
  const at = tail.length - PACK_FOOTER_BYTES;
  return { index: tail.subarray(0, at), footer: tail.subarray(at) };
}

test('the tail of a pack that was encoded is read back, and its hash is its name', () => {
  fc.assert(
    fc.property(content, ({ entries, end }) => {
      const { tail, name } = encodePackTail(entries, end);
      const { index, footer } = split(tail);
      const read = readPackFooter(footer, end + tail.length)!;
      assert.equal(read.indexHash.toString('hex'), name);
      assert.deepEqual(readPackIndex(index, read), entries);
      assert.equal(end + tail.length, packBytesOf(entries));
      assert.equal(readPackFooter(footer, end + tail.length + 1), undefined);
    }),
  );
});

test('one changed bit in header, index or footer is found', () => {
  fc.assert(
    fc.property(content, fc.nat(), (pack, at) => {
      const { tail } = encodePackTail(pack.entries, pack.end);
      const bit = at % (tail.length * 8);
      tail[bit >> 3]! ^= 1 << (bit & 7);
      const { index, footer } = split(tail);
      const read = readPackFooter(footer, pack.end + tail.length);
      assert.equal(read && readPackIndex(index, read), undefined);
    }),
  );
  assert.equal(readPackHeader(encodePackHeader()), 1);
  for (let bit = 0; bit < 128; bit++) {
    const header = encodePackHeader();
    header[bit >> 3]! ^= 1 << (bit & 7);
    assert.equal(readPackHeader(header), undefined);
  }
});

test('an index that points outside of the chunks is refused', () => {
  const id = Buffer.alloc(32);
  for (const entry of [
    { id, offset: 15, storedBytes: 10, plainBytes: 1 },
    { id, offset: 16, storedBytes: 21, plainBytes: 1 },
    { id, offset: 2 ** 40, storedBytes: 10, plainBytes: 1 },
  ]) {
    const { tail } = encodePackTail([entry], 100);
    const { index, footer } = split(tail);
    const read = readPackFooter(footer, 100 + tail.length);
    assert.ok(read);
    assert.equal(readPackIndex(index, read), undefined);
  }
});
