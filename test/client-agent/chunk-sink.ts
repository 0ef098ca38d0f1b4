/** A server for captures, in memory: checks every chunk as the store does, and can lay an image down again. */
import { closeSync, openSync, writeSync } from 'node:fs';
import { zstdDecompressSync } from 'node:zlib';
import type { ChunksAnswer, ManifestAnswer } from '#protocol/agent-api.ts';
import { CHUNK_ID_BYTES, chunkIdOf } from '#protocol/chunk.ts';
import { decodeManifest, idAt, type Manifest, placeOf } from '#protocol/manifest.ts';
import { chunksOf } from '#protocol/source-disk.ts';
import { readStoredHeader, STORED_HEADER_BYTES } from '#protocol/stored-chunk.ts';

export class ChunkSink {
  readonly chunks = new Map<string, Buffer>();
  /** Ids in the order of their coming. */
  readonly order: string[] = [];
  manifest: Manifest | undefined;
  lackingCalls = 0;
  chunkCalls = 0;
  /** Called before each `chunks` call with its number. */
  onChunks: (call: number) => void = () => {};

  async lacking(_taskId: number, ids: Buffer): Promise<Buffer> {
    this.lackingCalls++;
    const bits = Buffer.alloc(Math.ceil(ids.length / CHUNK_ID_BYTES / 8));
    for (let i = 0; i * CHUNK_ID_BYTES < ids.length; i++) {
      const id = ids.toString('hex', i * CHUNK_ID_BYTES, (i + 1) * CHUNK_ID_BYTES);
      if (!this.chunks.has(id)) bits[i >> 3]! |= 1 << (i & 7);
    }
    return bits;
  }

  async receive(body: AsyncIterable<Buffer>): Promise<ChunksAnswer> {
    const call = ++this.chunkCalls;
    this.onChunks(call);
    const parts: Buffer[] = [];
    for await (const part of body) parts.push(part);
    const bytes = Buffer.concat(parts);
    let stored = 0;
    let duplicates = 0;
    for (let at = 0; at < bytes.length; ) {
      const header = readStoredHeader(bytes, at);
      if (header === undefined) throw new Error(`no stored chunk at byte ${at}`);
      const from = at + STORED_HEADER_BYTES;
      const plain = zstdDecompressSync(bytes.subarray(from, from + header.storedBytes));
      if (plain.length !== header.plainBytes || !chunkIdOf(plain).equals(header.id)) throw new Error('wrong chunk');
      const id = Buffer.from(header.id).toString('hex');
      if (this.chunks.has(id)) duplicates++;
      else stored++;
      this.chunks.set(id, plain);
      this.order.push(id);
      at = from + header.storedBytes;
    }
    return { stored, duplicates };
  }

  /** What runCapture wants of a ServerLink. */
  get link() {
    return {
      lacking: (taskId: number, ids: Buffer) => this.lacking(taskId, ids),
      chunks: (_taskId: number, body: AsyncIterable<Buffer>) => this.receive(body),
      manifest: async (_taskId: number, bytes: Buffer): Promise<ManifestAnswer> => {
        this.manifest = decodeManifest(bytes);
        return { manifestId: this.manifest.id, image: 'test', version: 1, isNew: true };
      },
    };
  }

  /** Writes the chunks of a manifest to a file, at their places; by default those of the last one. */
  lay(path: string, manifest: Manifest = this.manifest!): Manifest {
    const file = openSync(path, 'r+');
    for (const ordinal of chunksOf(manifest)) {
      const plain = this.chunks.get(Buffer.from(idAt(manifest, ordinal)).toString('hex'))!;
      writeSync(file, plain, 0, plain.length, placeOf(manifest, ordinal).diskOffset);
    }
    closeSync(file);
    return manifest;
  }
}
