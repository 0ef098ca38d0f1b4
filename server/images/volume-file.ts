/** Volumes of an image, copied out of the store into a sparse file. */
import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { promisify } from 'node:util';
import { zstdDecompress } from 'node:zlib';
import { CHUNK_ID_BYTES, chunkIdOf } from '#protocol/chunk.ts';
import { knownError } from '#protocol/errors.ts';
import { idAt, type Manifest, placeOf, type Volume } from '#protocol/manifest.ts';
import { STORED_HEADER_BYTES } from '#protocol/stored-chunk.ts';
import type { ChunkLocations, ChunkStore } from './chunk-store.ts';

const unpack = promisify(zstdDecompress);
/** Chunks under way at the same time: one is read while others are decompressed. */
const AT_ONCE = 4;

/**
 * Writes a volume into the file `path` from `offsetBytes` on (default: 0); the file is made, or made longer, as it needs to be, and
 * what the volume does not use stays a hole. Every chunk is checked against its id.
 * Throws IMAGE_DAMAGED (`image` is its name, for people), FIT_NO_ROOM, AbortError when the signal fires.
 */
export async function writeVolumeFile(o: {
  readonly store: Pick<ChunkStore, 'locate' | 'readAt'>;
  readonly image: string;
  readonly manifest: Manifest;
  readonly volume: Volume;
  readonly path: string;
  readonly offsetBytes?: number;
  readonly signal: AbortSignal;
  onWritten(bytes: number): void;
}): Promise<void> {
  const { manifest, volume, signal, offsetBytes = 0 } = o;
  const first = volume.firstOrdinal;
  const count = volume.indices.length;
  const ids = manifest.ids.subarray(first * CHUNK_ID_BYTES, (first + count) * CHUNK_ID_BYTES);
  const locations = await o.store.locate(ids);
  const file = await open(o.path, constants.O_WRONLY | constants.O_CREAT, 0o600);
  try {
    const { size } = await file.stat();
    await file.truncate(Math.max(size, offsetBytes + volume.sizeBytes));
    let next = 0;
    const copyNext = async (): Promise<void> => {
      for (let i = next++; i < count; i = next++) {
        signal.throwIfAborted();
        o.onWritten(await copyChunk(o, file, locations, i));
      }
    };
    const results = await Promise.allSettled(Array.from({ length: AT_ONCE }, copyNext));
    for (const result of results) if (result.status === 'rejected') throw result.reason;
    await file.sync();
  } finally {
    await file.close();
  }
}

async function copyChunk(
  o: Pick<Parameters<typeof writeVolumeFile>[0], 'store' | 'image' | 'manifest' | 'volume' | 'offsetBytes'>,
  file: FileHandle,
  locations: ChunkLocations,
  i: number,
): Promise<number> {
  const ordinal = o.volume.firstOrdinal + i;
  const { volumeOffset, plainBytes } = placeOf(o.manifest, ordinal);
  const packId = locations.packIds[i]!;
  const damaged = (cause?: unknown) => knownError('IMAGE_DAMAGED', { image: o.image, count: 1 }, { cause });
  if (packId < 0) throw damaged();
  const stored = Buffer.allocUnsafe(locations.storedBytes[i]!);
  await o.store.readAt(packId, stored, locations.offsets[i]! + STORED_HEADER_BYTES, stored.length);
  const plain = await unpack(stored, { maxOutputLength: plainBytes }).catch((error: unknown) => {
    throw damaged(error);
  });
  if (plain.length !== plainBytes || !chunkIdOf(plain).equals(idAt(o.manifest, ordinal))) throw damaged();
  const { bytesWritten } = await file.write(plain, 0, plain.length, (o.offsetBytes ?? 0) + volumeOffset);
  // What is left of a disk is written, and then no more.
  if (bytesWritten !== plain.length)
    throw knownError('FIT_NO_ROOM', { path: 'the store', needBytes: plain.length, freeBytes: 0 });
  return plain.length;
}
