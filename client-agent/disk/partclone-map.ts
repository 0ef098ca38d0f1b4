/**
 * The block map that `partclone.FS -D` writes, in the form of GNU ddrescue's map file (ddrescue manual, "Mapfile structure"):
 * comment lines, one line with the current position, then `START LENGTH STATUS` in hex, here with `+` for used and `?` for free.
 */
import type { Extents } from '#protocol/chunk.ts';

export interface PartcloneMap {
  readonly extents: Extents;
  /** Where the last run ends: partclone's idea of the filesystem's size, in bytes. */
  readonly coveredBytes: number;
}

/**
 * Reads and checks a map of a volume of `sizeBytes`. A string is the reason why it makes no sense: runs must follow each
 * other without gap from byte 0, stay within the volume, and something must be used.
 */
export function readPartcloneMap(text: string, sizeBytes: number): PartcloneMap | string {
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
  if (runs.length === 0) return 'the map has no used block';
  return { extents: Float64Array.from(runs), coveredBytes: position };
}
