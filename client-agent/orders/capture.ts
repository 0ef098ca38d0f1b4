/**
 * The order to capture a disk: map what is used, name every chunk, send what the server lacks, send the manifest.
 * The disk is only read. Memory does not grow with it but for 32 bytes a chunk and 16 a run of used blocks.
 */
import { blake3 } from '@napi-rs/blake-hash';
import { type CaptureOrder, MAX_LACKING_IDS, type Progress } from '#protocol/agent-api.ts';
import { CHUNK_ID_BYTES, type Extents, usedBytesOf } from '#protocol/chunk.ts';
import type { Disk } from '#protocol/disk.ts';
import { knownError } from '#protocol/errors.ts';
import { HoleSet } from '#protocol/holes.ts';
import { encodeManifest, type VolumeHead } from '#protocol/manifest.ts';
import type { CaptureResult } from '#protocol/task-result.ts';
import { systemClock } from '#system/clock.ts';
import { type KnownVolume, planBatches, planWanted, type SourceVolume } from '../capture/batches.ts';
import { LackingQueue } from '../capture/lacking-queue.ts';
import { type PassTools, runPass } from '../capture/pass.ts';
import { ProgressMeter } from '../capture/progress-meter.ts';
import { Slots } from '../capture/slots.ts';
import { Uploads } from '../capture/uploads.ts';
import { VolumeChunks } from '../capture/volume-chunks.ts';
import { CaptureWorkers } from '../capture/worker-pool.ts';
import { readSourceTable, type SourceTable } from '../disk/source-table.ts';
import { mapVolumes, type VolumeMap } from '../disk/used-extents.ts';
import { nameOfVolume } from '../disk/volumes.ts';
import type { ServerLink } from '../server-link.ts';
import { type OpenSource, openSource } from './source-containers.ts';

/** Maps made at the same time: each mostly waits for the disk. */
const MAPS_AT_ONCE = 4;
/** Ways through what the server still lacks after the first, when calls broke or it was restarted. */
const MAX_EXTRA_PASSES = 3;
/** Places of lost bytes that a warning lists. */
const MAX_PLACES_TOLD = 20;

export type CaptureLink = Pick<ServerLink, 'lacking' | 'chunks' | 'manifest'>;

export interface CaptureOptions {
  /** Several make one image of all of them, in this order. */
  readonly disks: readonly Disk[];
  readonly link: CaptureLink;
  /** What may open the LUKS containers of the disk. */
  readonly keys?: readonly Uint8Array[];
  readonly signal: AbortSignal;
  onProgress(progress: Progress): void;
}

/**
 * Captures the disks as the order says. May be repeated: what the server has is not sent again. When the signal fires it ends
 * at once and leaves nothing behind. Throws LAYOUT_UNSUPPORTED, LUKS_KEY_REFUSED, LUKS_FAILED, DISK_READ_FAILED (with `{host}` left open), AGENT_FAILED
 * (the disk changes under us, the server keeps losing chunks), what the server refuses, AbortError.
 */
export async function runCapture(order: CaptureOrder, o: CaptureOptions): Promise<CaptureResult> {
  o.signal.throwIfAborted();
  const meter = new ProgressMeter(o.onProgress, systemClock.nowMs);
  const tables: SourceTable[] = [];
  for (const [i, disk] of o.disks.entries()) tables.push(await readSourceTable(disk, i));
  const closedMaps = await mapDisks(o.disks, tables, meter, o.signal);
  const sources: OpenSource[] = [];
  try {
    for (const [i, disk] of o.disks.entries()) {
      const own = closedMaps.filter((map) => (map.head.disk ?? 0) === i);
      sources.push(await openSource(disk, own, o.keys ?? [], o.signal));
    }
    return await captureVolumes(order, o, tables, sources, meter);
  } finally {
    for (const source of sources) await source.close();
  }
}

async function captureVolumes(
  order: CaptureOrder,
  o: CaptureOptions,
  tables: readonly SourceTable[],
  sources: readonly OpenSource[],
  meter: ProgressMeter,
): Promise<CaptureResult> {
  meter.warn([
    ...tables.flatMap(({ warnings }) => warnings),
    ...sources.flatMap(({ maps }) => maps.flatMap((map) => map.warnings)),
  ]);
  const slots = new Slots(order.chunkBytes);
  const tools: PassTools = {
    slots,
    workers: new CaptureWorkers({
      diskPaths: sources.map(({ path }) => path),
      chunkBytes: order.chunkBytes,
      zstdLevel: order.zstdLevel,
      memory: slots.memory,
      badSectors: order.rescue === true ? 'rescue' : 'fail',
    }),
    questions: new LackingQueue((ids) => o.link.lacking(order.taskId, ids, o.signal)),
    uploads: new Uploads((body) => o.link.chunks(order.taskId, body, o.signal), systemClock.nowMs),
  };
  try {
    return await untilAborted(o.signal, uploadAll(order, o, tables, sources, tools, meter));
  } catch (error) {
    tools.uploads.abort(error instanceof Error ? error : new Error(String(error)));
    throw error;
  } finally {
    await tools.workers.stop();
  }
}

/** The volumes of all disks, those of one after those of the one before. */
async function mapDisks(
  disks: readonly Disk[],
  tables: readonly SourceTable[],
  meter: ProgressMeter,
  signal: AbortSignal,
): Promise<VolumeMap[]> {
  const spans = tables.flatMap((table) => table.spans);
  const maps: VolumeMap[][] = [];
  meter.begin(
    'map',
    spans.reduce((sum, span) => sum + span.sizeBytes, 0),
  );
  let next = 0;
  const mapNext = async (): Promise<void> => {
    for (let i = next++; i < spans.length; i = next++) {
      maps[i] = await mapVolumes(disks[spans[i]!.disk ?? 0]!, spans[i]!, signal);
      meter.add(spans[i]!.sizeBytes);
    }
  };
  const results = await Promise.allSettled(Array.from({ length: MAPS_AT_ONCE }, mapNext));
  for (const result of results) if (result.status === 'rejected') throw result.reason;
  const all = [...maps.flat(), ...tables.flatMap(({ rawMaps }) => rawMaps)];
  return all.toSorted((a, b) => (a.head.disk ?? 0) - (b.head.disk ?? 0));
}

async function uploadAll(
  order: CaptureOrder,
  o: Pick<CaptureOptions, 'disks' | 'link' | 'signal'>,
  tables: readonly SourceTable[],
  sources: readonly OpenSource[],
  tools: PassTools,
  meter: ProgressMeter,
): Promise<CaptureResult> {
  const maps = sources.flatMap((source) => source.maps);
  const volumes: SourceVolume[] = maps.map(({ head, extents }) => {
    const { disk = 0, startBytes, sizeBytes } = head;
    return extents === undefined ? { disk, startBytes, sizeBytes } : { disk, startBytes, sizeBytes, extents };
  });
  const { found, sentChunks } = await sendVolumes(volumes, order.chunkBytes, tools, meter);
  const known = volumes.map((volume, i) => ({ ...volume, extents: found[i]!.extents }));
  const ids = Buffer.concat(found.map((chunks) => chunks.ids));
  const sentAgain = await sendWhatIsLacking(order, o, { known, ids }, tools, meter);

  const contents = maps.map((map, i) => ({ head: map.head, extents: known[i]!.extents }));
  const manifest = encodeManifest(headOf(order, tables, sources), contents, ids);
  const { version, isNew } = await o.link.manifest(order.taskId, manifest, o.signal);
  const lost = found.map((chunks) => chunks.lost);
  const lostBytes = lost.reduce((sum, extents) => sum + usedBytesOf(extents), 0);
  return {
    manifestId: blake3(manifest).toString('hex'),
    version,
    isNew,
    usedBytes: known.reduce((sum, { extents }) => sum + usedBytesOf(extents), 0),
    chunks: ids.length / CHUNK_ID_BYTES,
    uploadedChunks: sentChunks + sentAgain,
    uploadedBytes: tools.uploads.sentBytes,
    ...(lostBytes === 0 ? {} : { lostBytes }),
    warnings: [
      ...tables.flatMap((table) => table.warnings),
      ...maps.flatMap((map, i) => [
        ...map.warnings,
        ...(map.warnings.length > 0 ? [] : unknownWarning(map.head, known[i]!.extents)),
        ...lostWarning(map.head, lost[i]!),
      ]),
    ],
  };
}

/** Reads and names every chunk, and sends what the server lacks: what was found in each volume, and how many chunks were sent. */
async function sendVolumes(
  volumes: readonly SourceVolume[],
  chunkBytes: number,
  tools: PassTools,
  meter: ProgressMeter,
): Promise<{ found: VolumeChunks[]; sentChunks: number }> {
  const found = volumes.map((volume) => new VolumeChunks(volume));
  let sentChunks = 0;
  meter.begin(
    'hash',
    volumes.reduce((sum, { extents, sizeBytes }) => sum + (extents ? usedBytesOf(extents) : sizeBytes), 0),
  );
  for await (const done of runPass(planBatches(volumes, chunkBytes), volumes, tools)) {
    found[done.batch.volume]!.add(done.loaded);
    sentChunks += done.sentChunks;
    if (sentChunks > 0) meter.rename('upload');
    meter.add(done.readBytes);
  }
  return { found, sentChunks };
}

/** Calls may break and the server may be restarted: sends what it lacks after all. Returns how many chunks that were. */
async function sendWhatIsLacking(
  { taskId, chunkBytes }: CaptureOrder,
  { disks, link, signal }: Pick<CaptureOptions, 'disks' | 'link' | 'signal'>,
  { known, ids }: { known: readonly KnownVolume[]; ids: Buffer },
  tools: PassTools,
  meter: ProgressMeter,
): Promise<number> {
  let sent = 0;
  let lacking = await askAll(link, taskId, ids, signal);
  for (let extra = 0; lacking.count > 0; extra++) {
    if (extra === MAX_EXTRA_PASSES) throw failed(`the server still lacks ${lacking.count} chunks that were sent to it`);
    sent += await sendAgain(known, ids, lacking, chunkBytes, disks, tools, meter);
    lacking = await askAll(link, taskId, ids, signal);
  }
  return sent;
}

function headOf({ chunkBytes }: CaptureOrder, tables: readonly SourceTable[], sources: readonly OpenSource[]) {
  const containers = sources.flatMap((source) => source.containers);
  const [layout, ...others] = tables.map((table) => table.layout);
  return {
    ...{ chunkBytes, hash: 'blake3-256' as const, layout: layout! },
    ...(containers.length === 0 ? {} : { containers }),
    ...(others.length === 0 ? {} : { moreDisks: others }),
  };
}

/** Something lies there, and blkid knows nothing of it. */
function unknownWarning({ kind, within, filesystem, map, ...head }: VolumeHead, extents: Extents): string[] {
  const isUnknown = map === 'raw' && filesystem === undefined && within === undefined && kind !== 'boot';
  if (!isUnknown || extents.length === 0) return [];
  return [`${nameOfVolume({ kind, ...head })}: what it holds is not known: ${usedBytesOf(extents)} bytes taken raw`];
}

/** What the disk could not read of a volume, with its first places. */
function lostWarning(head: VolumeHead, lost: Extents): string[] {
  if (lost.length === 0) return [];
  const places = Array.from({ length: Math.min(lost.length / 2, MAX_PLACES_TOLD) }, (_, i) => {
    return `${head.startBytes + lost[2 * i]!}–${head.startBytes + lost[2 * i + 1]! - 1}`;
  });
  const more = lost.length / 2 > places.length ? ` and ${lost.length / 2 - places.length} more places` : '';
  const bytes = `${usedBytesOf(lost)} used bytes could not be read and are zeros in the image`;
  return [`${nameOfVolume(head)}: ${bytes}: bytes ${places.join(', ')} of the disk${more}`];
}

/** Goes once more through the chunks that did not arrive. Throws AGENT_FAILED when one of them is another one now. */
async function sendAgain(
  volumes: readonly KnownVolume[],
  ids: Buffer,
  lacking: HoleSet,
  chunkBytes: number,
  disks: readonly Disk[],
  tools: PassTools,
  meter: ProgressMeter,
): Promise<number> {
  const ordinals = lacking[Symbol.iterator]();
  let sent = 0;
  meter.begin('upload', lacking.count * chunkBytes);
  const wanted = planWanted(volumes, chunkBytes, (ordinal) => lacking.has(ordinal));
  for await (const { loaded, sentChunks } of runPass(wanted, volumes, tools)) {
    for (let at = 0; at < loaded.ids.length; at += CHUNK_ID_BYTES) {
      const expected = ordinals.next().value! * CHUNK_ID_BYTES;
      const isSame = ids
        .subarray(expected, expected + CHUNK_ID_BYTES)
        .equals(loaded.ids.subarray(at, at + CHUNK_ID_BYTES));
      if (!isSame) throw failed(`${disks.map(({ path }) => path).join(', ')} changed while it was captured`);
    }
    sent += sentChunks;
    meter.add(loaded.places.length * chunkBytes);
  }
  return sent;
}

/** Which of all chunks the server lacks, as ordinals. */
async function askAll(link: CaptureLink, taskId: number, ids: Buffer, signal: AbortSignal): Promise<HoleSet> {
  const lacking = HoleSet.none(ids.length / CHUNK_ID_BYTES);
  for (let first = 0; first < lacking.chunkCount; first += MAX_LACKING_IDS) {
    const count = Math.min(MAX_LACKING_IDS, lacking.chunkCount - first);
    const bits = await link.lacking(
      taskId,
      ids.subarray(first * CHUNK_ID_BYTES, (first + count) * CHUNK_ID_BYTES),
      signal,
    );
    for (let i = 0; i < count; i++) if ((bits[i >> 3]! >> (i & 7)) & 1) lacking.add(first + i);
  }
  return lacking;
}

function failed(reason: string): Error {
  return knownError('AGENT_FAILED', { reason });
}

/** The result of `work`, or the signal's reason as soon as it fires. */
async function untilAborted<T>(signal: AbortSignal, work: Promise<T>): Promise<T> {
  work.catch(() => {});
  const { promise, reject } = Promise.withResolvers<never>();
  const abort = () => reject(signal.reason);
  signal.addEventListener('abort', abort);
  try {
    signal.throwIfAborted();
    return await Promise.race([work, promise]);
  } finally {
    signal.removeEventListener('abort', abort);
  }
}
