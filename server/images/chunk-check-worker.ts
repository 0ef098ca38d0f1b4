/** The thread behind ChunkChecker: decompresses and hashes, so that the daemon's event loop does not. */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { parentPort } from 'node:worker_threads';
import { zstdDecompressSync } from 'node:zlib';
import { CHUNK_ID_BYTES, chunkIdOf } from '#protocol/chunk.ts';
import { CODING_ZSTD, readStoredHeader, STORED_HEADER_BYTES } from '#protocol/stored-chunk.ts';
import type { CheckAnswer, CheckRequest } from './chunk-checker.ts';

/** Decompressed chunks lie outside of the heap, where V8 hardly sees them: it is told to collect after so many plain bytes. */
const COLLECT_BYTES = 2 * 1024 * 1024;
setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as (options: { type: 'minor' }) => void;
let plainBytes = 0;

parentPort?.on('message', (request: CheckRequest) => {
  const bytes = Buffer.from(request.bytes.buffer, request.bytes.byteOffset, request.bytes.length);
  const problems: [number, string][] = [];
  request.starts.forEach((start, i) => {
    const id = request.ids.subarray(i * CHUNK_ID_BYTES, (i + 1) * CHUNK_ID_BYTES);
    const problem = findProblem(bytes, start, id);
    if (problem !== undefined) problems.push([i, problem]);
  });
  if (plainBytes >= COLLECT_BYTES) {
    collect({ type: 'minor' });
    plainBytes = 0;
  }
  const answer: CheckAnswer = { bytes: request.bytes, problems };
  parentPort?.postMessage(answer, [request.bytes.buffer]);
});

/** What is wrong with the stored chunk at `start`; undefined when it is the chunk `id`, whole and true. */
function findProblem(bytes: Buffer, start: number, id: Uint8Array): string | undefined {
  const header = readStoredHeader(bytes, start);
  if (header === undefined) return 'its header is damaged';
  if (!Buffer.from(header.id.buffer, header.id.byteOffset, CHUNK_ID_BYTES).equals(id))
    return 'another chunk lies there';
  if (header.coding !== CODING_ZSTD) return `its coding ${header.coding} is not known`;
  const stored = bytes.subarray(start + STORED_HEADER_BYTES, start + STORED_HEADER_BYTES + header.storedBytes);
  if (stored.length < header.storedBytes) return 'it is cut off';
  let plain: Buffer;
  try {
    // The limit keeps a malicious frame from growing to gigabytes; the chunk size makes the output one piece (at least 64: zlib's rule).
    plain = zstdDecompressSync(stored, {
      maxOutputLength: header.plainBytes,
      chunkSize: Math.max(header.plainBytes, 64),
    });
  } catch {
    return 'it cannot be decompressed';
  }
  plainBytes += plain.length;
  if (plain.length !== header.plainBytes) return `it holds ${plain.length} bytes instead of ${header.plainBytes}`;
  return chunkIdOf(plain).equals(id) ? undefined : 'its content has another hash';
}
