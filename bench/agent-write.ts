/**
 * Bench (b): the agent's write path against the pipelines that it replaces, on the same filesystem, each fed by `cat`
 * through a pipe as udp-receiver would, each ending with the data on stable storage.
 */
import {
  appendFileSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { zstdCompressSync } from 'node:zlib';
import { execa } from 'execa';
import { DirectFile } from '#agent/disk/direct-file.ts';
import { sourceOf } from '#agent/receive/byte-source.ts';
import { DiskWorkers } from '#agent/receive/disk-workers.ts';
import { FrameReader } from '#agent/receive/frame-reader.ts';
import { layStream } from '#agent/receive/lay-stream.ts';
import { SlabPool } from '#agent/receive/slab-pool.ts';
import {
  CHUNK_ID_BYTES,
  chunkIdOf,
  chunkIndicesOf,
  chunkLength,
  DEFAULT_CHUNK_BYTES,
  maskUnused,
  normalizeExtents,
  usedBytesOf,
} from '#protocol/chunk.ts';
import {
  type Announcement,
  FRAME_ANNOUNCE,
  FRAME_CHUNK,
  FRAME_HEADER_BYTES,
  FRAME_TRAILER,
  NONCE_BYTES,
  writeFrameHeader,
} from '#protocol/frame.ts';
import { HoleSet } from '#protocol/holes.ts';
import { decodeManifest, encodeManifest, type Manifest, manifestTag } from '#protocol/manifest.ts';
import { CODING_ZSTD } from '#protocol/stored-chunk.ts';
import { run } from '#system/run.ts';

const LIMIT_MS = 300_000;
const CLOCK_TICKS_PER_S = 100;
const NONCE = Buffer.alloc(NONCE_BYTES, 7);
const SESSION = 1;

interface Run {
  readonly seconds: number;
  readonly cpuSeconds: number;
}

interface Material {
  readonly folder: string;
  readonly image: string;
  /** Bytes of the used blocks. */
  readonly plainBytes: number;
  readonly manifest: Manifest;
  readonly manifestBytes: Buffer;
}

/** Runs what is to be measured. */
type Stopwatch = (action: () => Promise<void>) => Promise<void>;
type Writer = (material: Material, target: string, measured: Stopwatch) => Promise<void>;

/** Medians of MB/s (plain bytes, fsync included), CPU seconds per GB, and how the agent compares to each pipeline. */
export async function benchAgentWrite(o: {
  quick: boolean;
}): Promise<{ name: string; metrics: Record<string, number> }[]> {
  const folder = mkdtempSync(join(tmpdir(), 'fc-bench-write-'));
  try {
    const material = await makeMaterial(folder, o.quick ? 256 : 1024);
    const writers: Record<string, Writer> = {
      'agent, 1 worker': (m, target, measured) => writeByAgent(m, [target], measured, 1),
      'agent, 2 workers': (m, target, measured) => writeByAgent(m, [target], measured, 2),
      'agent, 1 worker, 4 disks at once': writeToFour,
      'zstd | dd': writeByDd,
      'zstd | partclone.restore': writeByPartclone,
    };
    const runs: Record<string, Run[]> = {};
    const rounds = o.quick ? 3 : 5;
    for (let round = 0; round < rounds; round++) {
      for (const [name, writer] of Object.entries(writers)) {
        const target = await makeTarget(folder, statSync(material.image).size);
        let result: Run | undefined;
        await writer(material, target, async (action) => {
          result = await measure(action);
        });
        if (round === 0) await checkTarget(material, target, name);
        runs[name] = [...(runs[name] ?? []), result!];
      }
    }
    return Object.entries(runs).map(([name, results]) => ({
      name: `write: ${name}`,
      metrics: describe(results, runs, material.plainBytes),
    }));
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function describe(results: readonly Run[], all: Readonly<Record<string, Run[]>>, bytes: number) {
  const seconds = results.map((result) => result.seconds);
  const versus = (name: string) => median(all[name]!.map((other, i) => other.seconds / results[i]!.seconds));
  return {
    plainMB: bytes / 1e6,
    medianMBps: bytes / 1e6 / median(seconds),
    minMBps: bytes / 1e6 / Math.max(...seconds),
    maxMBps: bytes / 1e6 / Math.min(...seconds),
    cpuSecondsPerGB: median(results.map((result) => result.cpuSeconds)) / (bytes / 1e9),
    speedOverDd: versus('zstd | dd'),
    speedOverPartclone: versus('zstd | partclone.restore'),
  };
}

function median(numbers: readonly number[]): number {
  const sorted = [...numbers].sort((a, b) => a - b);
  return (sorted[(sorted.length - 1) >> 1]! + sorted[sorted.length >> 1]!) / 2;
}

/** Real time, and CPU time of this process and of the children that it waited for. */
async function measure(action: () => Promise<void>): Promise<Run> {
  const cpuBefore = ownCpuSeconds() + childCpuSeconds();
  const before = process.hrtime.bigint();
  await action();
  const seconds = Number(process.hrtime.bigint() - before) / 1e9;
  return { seconds, cpuSeconds: ownCpuSeconds() + childCpuSeconds() - cpuBefore };
}

function ownCpuSeconds(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
}

/** proc_pid_stat(5): fields 16 and 17, in clock ticks. */
function childCpuSeconds(): number {
  const stat = readFileSync('/proc/self/stat', 'utf8');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[13]) + Number(fields[14])) / CLOCK_TICKS_PER_S;
}

async function writeByDd(material: Material, target: string, measured: Stopwatch): Promise<void> {
  const script = 'cat "$0" | zstd -dc | dd "of=$1" bs=1M iflag=fullblock conv=notrunc,fsync status=none';
  const argv = ['sh', '-c', script, join(material.folder, 'raw.zst'), target];
  await measured(async () => void (await run(argv, { limitMs: LIMIT_MS })));
}

async function writeByPartclone(material: Material, target: string, measured: Stopwatch): Promise<void> {
  const script = 'cat "$0" | zstd -dc | partclone.restore -W -O "$1" -s - -L "$2" -q && sync "$1"';
  const log = join(material.folder, 'restore.log');
  const argv = ['sh', '-c', script, join(material.folder, 'partclone.zst'), target, log];
  await measured(async () => void (await run(argv, { limitMs: LIMIT_MS })));
}

/** The threads of an agent are there long before a cast begins, so their start is not measured. */
async function writeByAgent(
  { folder, manifest, manifestBytes }: Material,
  paths: readonly string[],
  measured: Stopwatch,
  workerCount: number,
): Promise<void> {
  const slabs = new SlabPool({ chunkBytes: manifest.head.chunkBytes, threads: workerCount * paths.length });
  const disks = await Promise.all(
    paths.map((diskPath) => DiskWorkers.start({ diskPath, manifestBytes, count: workerCount, slabs })),
  );
  const holes = paths.map(() => HoleSet.all(manifest.chunkCount));
  const { maxPayloadBytes } = slabs;
  const { chunkCount, id: manifestId } = manifest;
  const reader = new FrameReader({ sessionId: SESSION, manifestId, nonce: NONCE, chunkCount, maxPayloadBytes });
  try {
    await measured(async () => {
      const child = execa('cat', [join(folder, 'frames')], { buffer: false, stdin: 'ignore' });
      await layStream({
        source: sourceOf(child.stdout),
        reader,
        slabs,
        targets: disks.map((workers, i) => ({
          ...{ workers, holes: holes[i]!, beforeFirstWrite: async () => undefined },
          ...{ onLaid: () => undefined, onFailed: rethrow },
        })),
        leavesOutSlow: false,
        signal: new AbortController().signal,
      });
      await child;
      await Promise.all(disks.map((workers) => workers.sync()));
    });
    if (holes.some(({ count }) => count > 0)) throw new Error('some chunks were not laid');
  } finally {
    await Promise.all(disks.map((workers) => workers.stop()));
  }
}

/** A duplicator: what is measured is the stream, which each of the disks takes whole. */
async function writeToFour(material: Material, target: string, measured: Stopwatch): Promise<void> {
  const { size } = statSync(material.image);
  const others = ['b', 'c', 'd'].map((name) => `${target}.${name}`);
  for (const path of others) {
    writeFileSync(path, '');
    truncateSync(path, size);
  }
  await writeByAgent(material, [target, ...others], measured, 1);
  for (const path of others) rmSync(path);
}

function rethrow(error: unknown): never {
  throw error;
}

/** A filesystem with real files, nearly full, in the three forms that the three roads take. */
async function makeMaterial(folder: string, mebibytes: number): Promise<Material> {
  const image = join(folder, 'fs.img');
  const tree = join(folder, 'tree');
  collectFiles(tree, mebibytes * 1024 * 1024 * 0.85);
  await run(['mke2fs', '-q', '-t', 'ext4', '-b', '4096', '-d', tree, image, `${mebibytes}M`], { limitMs: LIMIT_MS });
  rmSync(tree, { recursive: true });
  const map = join(folder, 'map');
  const log = join(folder, 'map.log');
  await run(['partclone.ext4', '-D', '-f', '1', '-s', image, '-o', map, '-L', log, '-q'], { limitMs: LIMIT_MS });
  const material = await writeFrames(folder, image, readUsedRuns(map));
  await run(['zstd', '-q', '-3', image, '-o', join(folder, 'raw.zst')], { limitMs: LIMIT_MS });
  const script = 'partclone.ext4 -c -s "$0" -o - -L "$1" -q | zstd -q -3 -o "$2"';
  await run(['sh', '-c', script, image, log, join(folder, 'partclone.zst')], { limitMs: LIMIT_MS });
  return material;
}

/** Copies files of this system until their sizes sum up to `bytes`. */
function collectFiles(tree: string, bytes: number): void {
  let left = bytes;
  const folders = ['/usr'];
  for (let folder = folders.shift(); folder !== undefined; folder = folders.shift()) {
    for (const entry of readdirSync(folder, { withFileTypes: true })) {
      const path = join(folder, entry.name);
      if (entry.isDirectory()) folders.push(path);
      if (!entry.isFile()) continue;
      const needed = statSync(path).size + 4096;
      if (needed > bytes / 8) continue;
      if (needed > left) return;
      left -= needed;
      mkdirSync(join(tree, folder), { recursive: true });
      copyFileSync(path, join(tree, path));
    }
  }
}

/** The used runs of a partclone map in bytes, as pairs start, end. */
function readUsedRuns(map: string): [number, number][] {
  return [...readFileSync(map, 'utf8').matchAll(/^(0x[0-9A-F]+)\s+(0x[0-9A-F]+)\s+\+$/gm)].map((match) => {
    const start = Number(match[1]);
    return [start, start + Number(match[2])];
  });
}

/** Writes `frames`, the cast of the whole image. */
async function writeFrames(folder: string, image: string, runs: [number, number][]): Promise<Material> {
  const source = DirectFile.open(image, 'read');
  const sizeBytes = statSync(image).size;
  const chunkBytes = DEFAULT_CHUNK_BYTES;
  const extents = normalizeExtents(runs, sizeBytes);
  const indices = chunkIndicesOf(extents, chunkBytes);
  const ids = Buffer.alloc(indices.length * CHUNK_ID_BYTES);
  const payloads: { bytes: Buffer; plainBytes: number }[] = [];
  for (const [ordinal, index] of indices.entries()) {
    const plain = Buffer.alloc(chunkLength(index, chunkBytes, sizeBytes));
    source.readAt(plain, index * chunkBytes, plain.length);
    maskUnused(plain, index * chunkBytes, extents);
    chunkIdOf(plain).copy(ids, ordinal * CHUNK_ID_BYTES);
    payloads.push({ bytes: zstdCompressSync(plain), plainBytes: plain.length });
  }
  source.close();
  const head = { kind: 'disk', startBytes: 0, sizeBytes, filesystem: 'ext4', map: 'partclone.ext4' } as const;
  const layout = { label: 'none', sectorBytes: 512, diskBytes: sizeBytes, partitions: [] } as const;
  const manifestBytes = encodeManifest(
    { chunkBytes, hash: 'blake3-256', layout: { ...layout, partitions: [] } },
    [{ head, extents }],
    ids,
  );
  const manifest = decodeManifest(manifestBytes);
  writeFileSync(join(folder, 'frames'), '');
  const announcement: Announcement = {
    sessionId: SESSION,
    castId: 'bench',
    manifestId: manifest.id,
    frames: payloads.length,
    bytes: payloads.reduce((sum, payload) => sum + FRAME_HEADER_BYTES + payload.bytes.length, 0),
  };
  const put = (kind: number, payload: Buffer, coding: number, ordinal: number, plainBytes: number) => {
    const header = Buffer.alloc(FRAME_HEADER_BYTES);
    writeFrameHeader(header, 0, {
      kind,
      coding,
      nonce: NONCE,
      manifestTag: manifestTag(manifest.id),
      ordinal,
      payloadBytes: payload.length,
      plainBytes,
      sequence: 0,
    });
    appendFileSync(join(folder, 'frames'), Buffer.concat([header, payload]));
  };
  put(FRAME_ANNOUNCE, Buffer.from(JSON.stringify(announcement)), 0, 0, 0);
  for (const [ordinal, payload] of payloads.entries()) {
    put(FRAME_CHUNK, payload.bytes, CODING_ZSTD, ordinal, payload.plainBytes);
  }
  put(FRAME_TRAILER, Buffer.from(JSON.stringify({ frames: payloads.length, skipped: [] })), 0, 0, 0);
  return { folder, image, plainBytes: usedBytesOf(extents), manifest, manifestBytes };
}

/** A disk that was written before: nothing has to be allocated while the clock runs. */
async function makeTarget(folder: string, sizeBytes: number): Promise<string> {
  const target = join(folder, 'target.img');
  if (existsSync(target)) return target;
  const script = 'dd if=/dev/zero "of=$0" bs=1M "count=$1" conv=fsync status=none';
  await run(['sh', '-c', script, target, String(Math.ceil(sizeBytes / (1024 * 1024)))], { limitMs: LIMIT_MS });
  return target;
}

/** Every chunk is on the target. Wipes it, so that the next one cannot pass by what this one wrote. */
async function checkTarget({ manifest, manifestBytes }: Material, target: string, name: string): Promise<void> {
  const workers = await DiskWorkers.start({ diskPath: target, manifestBytes, count: 1 });
  const wrong = await workers.verify(0, manifest.chunkCount);
  await workers.stop();
  if (wrong.length > 0) throw new Error(`${name} left ${wrong.length} chunks wrong`);
  rmSync(target);
}
