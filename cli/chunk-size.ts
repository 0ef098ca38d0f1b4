/** The value of --chunk-size. */
import { isChunkSize } from '#protocol/chunk.ts';
import { usageError } from './usage-error.ts';

/** Bytes of `256K`, `1M` or a plain number of bytes. Powers of two, so K and M are binary here. Throws USAGE. */
export function parseChunkSize(text: string): number {
  const match = /^(\d{1,8})(?:([KM])(?:iB)?)?$/i.exec(text);
  const factor = { k: 1024, m: 1024 * 1024 }[match?.[2]?.toLowerCase() ?? ''] ?? 1;
  const bytes = match ? Number(match[1]) * factor : 0;
  if (!isChunkSize(bytes)) {
    throw usageError(`--chunk-size ${text} is not a chunk size: a power of two from 64K to 4M, like 256K`, 'capture');
  }
  return bytes;
}
