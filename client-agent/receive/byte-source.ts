/** Where frames come from: the output of udp-receiver, or the answer of an HTTP call. */
import type { Readable } from 'node:stream';

export interface ByteSource {
  /** Puts bytes at the beginning of `into` and says how many; 0 at the end of the stream. Asked again, it waits for more. */
  read(into: Buffer): Promise<number>;
}

/** Reads a stream piece by piece; what is not asked for stays in the stream, so that its writer is held up. */
export function sourceOf(stream: Readable): ByteSource {
  const pieces = stream.iterator({ destroyOnReturn: false }) as NodeJS.AsyncIterator<Buffer>;
  let piece: Buffer = Buffer.alloc(0);
  return {
    async read(into) {
      while (piece.length === 0) {
        const next = await pieces.next();
        if (next.done) return 0;
        piece = next.value;
      }
      const taken = Math.min(piece.length, into.length);
      piece.copy(into, 0, 0, taken);
      piece = piece.subarray(taken);
      return taken;
    },
  };
}

/** Reads to the end of the stream and forgets it: a writer that is leaving must not be held up by what it still says. */
export async function drain(source: ByteSource): Promise<void> {
  const scratch = Buffer.allocUnsafe(64 * 1024);
  while ((await source.read(scratch)) > 0);
}
