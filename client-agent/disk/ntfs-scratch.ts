/**
 * The files in which Windows keeps its memory: paging and hibernation. Gigabytes that nobody needs on another machine, found
 * by ntfscluster(8), which opens the volume read-only.
 */
import { type Extents, normalizeExtents } from '#protocol/chunk.ts';
import { run } from '#system/run.ts';

/** In the root folder of a Windows volume. */
const SCRATCH_FILES = ['pagefile.sys', 'swapfile.sys', 'hiberfil.sys'] as const;
/** What stays of each: its header, which says that nothing sleeps in it. In bytes. */
const KEPT_BYTES = 64 * 1024;

export interface NtfsScratch {
  /** Used by the files and not worth carrying, in bytes of the volume. */
  readonly extents: Extents;
  /** Where `hiberfil.sys` begins, in bytes of the volume; absent when there is none. */
  readonly hibernationAt?: number;
}

/** Finds the files on the NTFS of `device`. `bootSector`: its first 512 bytes. Throws PROGRAM_MISSING. */
export async function findNtfsScratch(device: string, bootSector: Buffer, sizeBytes: number): Promise<NtfsScratch> {
  const clusterBytes = clusterBytesOf(bootSector);
  const runs: (readonly [number, number])[] = [];
  let hibernationAt: number | undefined;
  for (const name of SCRATCH_FILES) {
    // 1: there is no such file.
    const { exitCode, stdout } = await run(['ntfscluster', '-F', name, device], { okCodes: [0, 1], limitMs: 60_000 });
    if (exitCode !== 0) continue;
    const clusters = readClusterRuns(stdout);
    if (name === 'hiberfil.sys') hibernationAt = clusters.find((one) => one.vcn === 0)?.lcn;
    for (const { vcn, lcn, length } of clusters) {
      const kept = Math.min(length, Math.max(0, Math.ceil(KEPT_BYTES / clusterBytes) - vcn));
      runs.push([(lcn + kept) * clusterBytes, (lcn + length) * clusterBytes]);
    }
  }
  const extents = normalizeExtents(runs, sizeBytes);
  return hibernationAt === undefined ? { extents } : { extents, hibernationAt: hibernationAt * clusterBytes };
}

/** The first bytes of a hiberfil.sys in which a system sleeps (also one that Fast Startup has put there); `wake` or zeros else. */
export function isHibernated(header: Buffer): boolean {
  return header.toString('latin1', 0, 4).toLowerCase() === 'hibr';
}

interface ClusterRun {
  readonly vcn: number;
  readonly lcn: number;
  readonly length: number;
}

/**
 * Reads what `ntfscluster -F` prints of the unnamed data attribute (0x80): lines of VCN, LCN and length in clusters, below
 * `0x80 - non-resident`. A run without place (sparse) has a negative LCN.
 */
export function readClusterRuns(output: string): ClusterRun[] {
  const runs: ClusterRun[] = [];
  let isData = false;
  for (const line of output.split('\n')) {
    const attribute = /^\s+0x([0-9a-f]+) - /i.exec(line);
    if (attribute !== null) isData = attribute[1] === '80';
    const numbers = /^\s+(\d+)\s+(-?\d+)\s+(\d+)\s*$/.exec(line);
    if (!isData || numbers === null) continue;
    const [vcn, lcn, length] = numbers.slice(1).map(Number) as [number, number, number];
    if (lcn >= 0) runs.push({ vcn, lcn, length });
  }
  return runs;
}

/** Bytes a sector at 11; sectors a cluster at 13, where n > 128 means 2 to the power of 256 - n. */
function clusterBytesOf(bootSector: Buffer): number {
  const sectors = bootSector.readUInt8(13);
  return bootSector.readUInt16LE(11) * (sectors > 128 ? 2 ** (256 - sectors) : sectors);
}
