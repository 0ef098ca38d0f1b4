/**
 * The block map that `partclone.FS -D` writes, in the form of GNU ddrescue's map file (ddrescue manual, "Mapfile structure"):
 * comment lines, one line with the current position, then `START LENGTH STATUS` in hex, here with `+` for used and `?` for free.
 */
import type { Extents } from '#protocol/chunk.ts';

export interface PartcloneMap {
  readonly extents: Extents;
  /** Where the last run ends, in bytes. */
  readonly coveredBytes: number;
}

/** What a map is checked against, in bytes. */
export interface MappedVolume {
  readonly sizeBytes: number;
  /** What partclone takes for the size of the filesystem in it; undefined: it does not say. */
  readonly filesystemBytes: number | undefined;
}

/**
 * Reads and checks a map. A string is the reason why it makes no sense: runs must follow each other without gap from byte 0, stay within
 * the volume and reach the end of the filesystem (partclone ends well also when there was no room for all of its map), and something must be used.
 */
export function readPartcloneMap(text: string, { sizeBytes, filesystemBytes }: MappedVolume): PartcloneMap | string {
  const runs: number[] = [];
  let position = 0;
  for (const line of text.split('\n')) {
    if (line === '' || line.startsWith('#')) continue;
    const match = /^(0x[0-9A-Fa-f]+)\s+(0x[0-9A-Fa-f]+)\s+([+?])$/.exec(line.trimEnd());
    if (match === null) {
      if (/^0x[0-9A-Fa-f]+\s+[+?]$/.test(line.trimEnd()) && position === 0) continue;
      return `the map has the line "${line.slice(0, 60)}"`;
    }
    const start = Number(match[1]);
    const end = start + Number(match[2]);
    if (start !== position) return `the map jumps from byte ${position} to ${start}`;
    if (end > sizeBytes) return `the map goes to byte ${end} of ${sizeBytes}`;
    if (match[3] === '+' && end > start) {
      if (runs.at(-1) === start) runs[runs.length - 1] = end;
      else runs.push(start, end);
    }
    position = end;
  }
  if (filesystemBytes === undefined) return 'partclone does not say how large it is';
  if (position < filesystemBytes) return `the map ends at byte ${position} of ${filesystemBytes}`;
  if (runs.length === 0) return 'the map has no used block';
  return { extents: Float64Array.from(runs), coveredBytes: position };
}

/** From partclone's log: `Device size:   42.0 MB = 10240 Blocks` and `Block size:   4096 Byte`. */
export function readFilesystemBytes(log: string): number | undefined {
  const blocks = /^Device size:.*= (\d+) Blocks/m.exec(log)?.[1];
  const blockBytes = /^Block size:\s+(\d+) Byte/m.exec(log)?.[1];
  return blocks === undefined || blockBytes === undefined ? undefined : Number(blocks) * Number(blockBytes);
}
