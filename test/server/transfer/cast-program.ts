/**
 * Runs one cast of a made-up image, inside the namespace that the test starts it in. argv[2]: JSON `CastJob`.
 * Prints a line of JSON for the sender's first progress and one for the end. SIGUSR1 aborts the cast.
 */
import { HoleSet } from '#protocol/holes.ts';
import { decodeManifest } from '#protocol/manifest.ts';
import { runCast } from '#server/transfer/cast.ts';
import { planFrames, readFrames } from '#server/transfer/frame-source.ts';
import { systemClock } from '#system/clock.ts';
import { idsOf, makeChunks, manifestOf } from '../images/test-store.ts';

export interface CastJob {
  readonly receivers: number;
  readonly chunks: number;
  /** The image is sent so many times over: a longer cast of the same few chunks. */
  readonly repeat: number;
  readonly portBase: number;
  readonly maxMbit: number;
  readonly startTimeoutS: number;
  readonly stallLimitMs: number;
  readonly logPath: string;
  readonly mode: 'multicast' | 'broadcast';
}

const job = JSON.parse(process.argv[2]!) as CastJob;
const chunks = makeChunks(job.chunks);
const pack = Buffer.concat(chunks.map((chunk) => chunk.stored));
const ids = idsOf(chunks);
const manifest = decodeManifest(manifestOf(chunks));
const plan = await planFrames({
  store: {
    locate: async () => {
      let at = 0;
      const offsets = Float64Array.from(chunks, (chunk) => {
        at += chunk.stored.length;
        return at - chunk.stored.length;
      });
      return {
        packIds: new Int32Array(chunks.length),
        offsets,
        storedBytes: Uint32Array.from(chunks, (chunk) => chunk.stored.length - 64),
        plainBytes: Uint32Array.from(chunks, (chunk) => chunk.plain.length),
      };
    },
    readAt: async (_packId, buffer, offset, length) => void pack.copy(buffer, 0, offset, offset + length),
  },
  manifest,
  holes: HoleSet.all(ids.length / 32),
});

async function* frames(): AsyncGenerator<Buffer> {
  for (let i = 0; i < job.repeat; i++) {
    yield* readFrames(plan, { sessionId: 1, castId: '1-1', nonce: Buffer.alloc(8, 7) });
  }
}

const abort = new AbortController();
process.on('SIGUSR1', () => abort.abort());
let isMoving = false;
const end = await runCast({
  sender: {
    mode: job.mode,
    interface: 'eth0',
    portBase: job.portBase,
    dataAddress: '239.192.78.9',
    rdvAddress: '239.192.77.1',
    ttl: 1,
    receivers: job.receivers,
    maxWaitS: 5,
    startTimeoutS: job.startTimeoutS,
    retriesUntilDrop: 1000,
    maxMbit: job.maxMbit,
    logPath: job.logPath,
  },
  frames: frames(),
  signal: abort.signal,
  clock: systemClock,
  stallLimitMs: job.stallLimitMs,
  onProgress: ({ takenBytes }) => {
    // More than pipe and socket hold: the transfer runs.
    if (isMoving || takenBytes < 1024 * 1024) return;
    isMoving = true;
    process.stdout.write(`${JSON.stringify({ isMoving })}\n`);
  },
});
process.stdout.write(`${JSON.stringify(end)}\n`);
