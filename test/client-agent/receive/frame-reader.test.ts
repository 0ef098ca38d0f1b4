import assert from 'node:assert/strict';
import { test } from 'node:test';
import { zstdDecompressSync } from 'node:zlib';
import fc from 'fast-check';
import { type ExpectedStream, FrameReader } from '#agent/receive/frame-reader.ts';
import { chunkIdOf } from '#protocol/chunk.ts';
import { idAt } from '#protocol/manifest.ts';
import { CAST_ID, makeSampleImage, NONCE, SESSION_ID, sampleFrames } from './sample-image.ts';

const image = makeSampleImage();
const frames = sampleFrames(image);
const stream = Buffer.concat(frames);
const expected: ExpectedStream = {
  sessionId: SESSION_ID,
  castId: CAST_ID,
  manifestId: image.manifest.id,
  nonce: NONCE,
  chunkCount: image.manifest.chunkCount,
  maxPayloadBytes: 80 * 1024,
};

interface Found {
  readonly ordinal: number;
  readonly payload: Buffer;
}

/** Feeds the reader piece by piece, as a caller with a small memory would. */
function readAll(
  pieces: readonly Buffer[],
  reader = new FrameReader(expected),
): { found: Found[]; reader: FrameReader } {
  const found: Found[] = [];
  let rest: Buffer = Buffer.alloc(0);
  for (const piece of pieces) {
    const window = Buffer.concat([rest, piece]);
    const scan = reader.scan(window);
    for (const frame of scan.frames) {
      found.push({ ordinal: frame.ordinal, payload: window.subarray(frame.offset, frame.offset + frame.payloadBytes) });
    }
    rest = window.subarray(scan.consumed);
  }
  reader.finish(rest.length);
  return { found, reader };
}

function split(bytes: Buffer, cuts: readonly number[]): Buffer[] {
  const sorted = [0, ...cuts.map((cut) => cut % (bytes.length + 1)).sort((a, b) => a - b), bytes.length];
  return sorted.slice(1).map((end, i) => bytes.subarray(sorted[i], end));
}

const ordinalsOf = (found: readonly Found[]) => found.map((frame) => frame.ordinal);
const all = [...Array(image.manifest.chunkCount).keys()];

test('a whole stream gives every frame, its announcement and its trailer', () => {
  const { found, reader } = readAll([stream]);
  assert.deepEqual(ordinalsOf(found), all);
  assert.equal(reader.announcement?.manifestId, image.manifest.id);
  assert.deepEqual(reader.trailer, { frames: all.length, skipped: [] });
  const frameCount = all.length;
  assert.deepEqual(reader.counts, {
    frames: frameCount,
    skippedBytes: 0,
    badFrames: 0,
    foreignFrames: 0,
    unannouncedFrames: 0,
  });
});

test('however a stream with garbage in it is split, the same frames and counts come out', () => {
  const dirty = Buffer.concat(frames.flatMap((frame, i) => [frame, Buffer.from('FCFR garbage'.repeat(i % 3))]));
  const whole = readAll([dirty]);
  assert.deepEqual(ordinalsOf(whole.found), all);
  fc.assert(
    fc.property(fc.array(fc.nat(dirty.length), { maxLength: 40 }), (cuts) => {
      const { found, reader } = readAll(split(dirty, cuts));
      assert.deepEqual(found, whole.found);
      assert.deepEqual(reader.counts, whole.reader.counts);
    }),
    { numRuns: 60 },
  );
});

test('every byte is either part of a frame or counted as skipped', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 3000 }), fc.nat(frames.length - 1), (garbage, at) => {
      const dirty = Buffer.concat([...frames.slice(0, at), garbage, ...frames.slice(at)]);
      const { found, reader } = readAll([dirty]);
      assert.deepEqual(ordinalsOf(found), all);
      assert.equal(reader.counts.skippedBytes, garbage.length);
    }),
    { numRuns: 60 },
  );
});

test('whatever is damaged, no frame comes out that is wrong and passes the check of its id', () => {
  const damage = fc.record({
    at: fc.nat(stream.length - 1),
    remove: fc.nat(200),
    insert: fc.uint8Array({ maxLength: 200 }),
    flip: fc.integer({ min: 1, max: 255 }),
  });
  fc.assert(
    fc.property(fc.array(damage, { minLength: 1, maxLength: 4 }), (damages) => {
      let bytes = Buffer.from(stream);
      for (const { at, remove, insert, flip } of damages) {
        const place = at % bytes.length;
        bytes[place]! ^= flip;
        bytes = Buffer.concat([bytes.subarray(0, place), insert, bytes.subarray(place + remove)]);
      }
      const { found } = readAll([bytes]);
      for (const frame of found) {
        const plain = unpack(frame.payload);
        if (plain === undefined || !chunkIdOf(plain).equals(idAt(image.manifest, frame.ordinal))) continue;
        const sent = sampleFrames(image, { ordinals: [frame.ordinal] })[1]!;
        assert.ok(unpack(sent.subarray(64))!.equals(plain));
      }
    }),
    { numRuns: 60 },
  );
});

function unpack(payload: Buffer): Buffer | undefined {
  try {
    return zstdDecompressSync(payload);
  } catch {
    return undefined;
  }
}

test('a damaged header costs its own frame only', () => {
  const dirty = Buffer.from(stream);
  const second = frames[0]!.length + frames[1]!.length;
  dirty[second + 30]! ^= 1;
  const { found, reader } = readAll([dirty]);
  assert.deepEqual(ordinalsOf(found), [0, ...all.slice(2)]);
  assert.equal(reader.counts.badFrames, 1);
  assert.equal(reader.counts.skippedBytes, frames[2]!.length);
});

test('a stream that ends in the middle of a frame gives what was whole before it', () => {
  const { found, reader } = readAll([stream.subarray(0, stream.length - frames.at(-1)!.length - 10)]);
  assert.deepEqual(ordinalsOf(found), all.slice(0, -1));
  assert.equal(reader.trailer, undefined);
  assert.equal(reader.counts.badFrames, 1);
});

test('a stream with another nonce gives nothing', () => {
  const { found, reader } = readAll([Buffer.concat(sampleFrames(image, { nonce: Buffer.alloc(8, 9) }))]);
  assert.deepEqual(found, []);
  assert.equal(reader.announcement, undefined);
  assert.equal(reader.counts.foreignFrames, frames.length);
});

test('a stream of another image with the same nonce gives nothing', () => {
  const { found } = readAll([Buffer.concat(sampleFrames(makeSampleImage(2)))]);
  assert.deepEqual(found, []);
});

test('frames of another image between our own are left out', () => {
  const other = sampleFrames(makeSampleImage(2), { nonce: NONCE });
  const mixed = frames.flatMap((frame, i) => [frame, other[i]!]);
  const { found, reader } = readAll([Buffer.concat(mixed)]);
  assert.deepEqual(ordinalsOf(found), all);
  assert.equal(reader.counts.foreignFrames, other.length);
});

for (const [what, changed] of [
  ['session', { sessionId: 6 }],
  ['cast', { castId: '5-2' }],
] as const) {
  test(`an announcement of another ${what} than the order's lets no chunk pass`, () => {
    const { found, reader } = readAll([Buffer.concat(sampleFrames(image, changed))]);
    assert.deepEqual(found, []);
    assert.ok(reader.mismatch);
  });
}

test('chunks before an announcement are never given out', () => {
  const { found, reader } = readAll([Buffer.concat(frames.slice(1))]);
  assert.deepEqual(found, []);
  assert.equal(reader.counts.unannouncedFrames, all.length);
});

test('a repair over HTTP is taken whatever its cast is called', () => {
  const { castId: _castId, ...repair } = expected;
  const { found } = readAll([Buffer.concat(sampleFrames(image, { castId: 'repair' }))], new FrameReader(repair));
  assert.deepEqual(ordinalsOf(found), all);
});

test('a frame with an ordinal that the manifest does not have is bad', () => {
  const { found, reader } = readAll([stream], new FrameReader({ ...expected, chunkCount: 3 }));
  assert.deepEqual(ordinalsOf(found), [0, 1, 2]);
  assert.equal(reader.counts.badFrames, all.length - 3);
});
