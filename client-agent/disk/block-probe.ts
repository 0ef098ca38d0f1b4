/** What blkid(8) finds by looking at the bytes: a filesystem, a partition table, or something else that it knows. */
import { run } from '#system/run.ts';

export interface BlockProbe {
  /** Filesystem or other content as blkid names it (ext4, vfat, crypto_LUKS, swap …). */
  readonly type?: string;
  readonly label?: string;
  /** Of the filesystem, or of what it is. */
  readonly uuid?: string;
  /** Partition table (gpt, dos, mac …); only where a whole disk is probed. */
  readonly tableType?: string;
  /** Signatures of several things were found, so that blkid names none. */
  readonly isAmbiguous: boolean;
}

/** Looks at a span of a device or file, without its cache (`blkid -p`). Without a span: at all of it. Throws PROGRAM_FAILED. */
export async function probeBlock(path: string, span?: { startBytes: number; sizeBytes: number }): Promise<BlockProbe> {
  const where = span ? ['--offset', String(span.startBytes), '--size', String(span.sizeBytes)] : [];
  // Exit codes of blkid(8): 2 nothing found, 8 ambivalent.
  const result = await run(['blkid', '-p', '-o', 'export', ...where, path], { limitMs: 30_000, okCodes: [0, 2, 8] });
  return readProbe(result.stdout, result.exitCode === 8);
}

/** Reads `blkid -o export`: NAME=value lines, "potentially unsafe" characters of a value escaped by a backslash. */
function readProbe(output: string, isAmbiguous: boolean): BlockProbe {
  const values = new Map<string, string>();
  for (const line of output.split('\n')) {
    const at = line.indexOf('=');
    if (at > 0) values.set(line.slice(0, at), line.slice(at + 1).replace(/\\(.)/g, '$1'));
  }
  const type = values.get('TYPE');
  const label = values.get('LABEL');
  const uuid = values.get('UUID');
  const tableType = values.get('PTTYPE');
  return {
    isAmbiguous,
    ...(type !== undefined ? { type } : {}),
    ...(label !== undefined ? { label } : {}),
    ...(uuid !== undefined ? { uuid } : {}),
    ...(tableType !== undefined ? { tableType } : {}),
  };
}
