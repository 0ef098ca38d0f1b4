/** Bytes, rates and counts as people read them. Disks, files and wires are counted in powers of ten: 1 GB = 1,000,000,000 bytes. */

const units = ['B', 'kB', 'MB', 'GB', 'TB', 'PB'] as const;

/** `0 B`, `999 B`, `1.0 kB`, `256.1 GB`. */
export function formatBytes(bytes: number): string {
  let value = bytes;
  let place = 0;
  // 999.95 would be printed as 1000.0.
  while (place < units.length - 1 && value >= (place === 0 ? 1000 : 999.95)) {
    value /= 1000;
    place++;
  }
  return `${place === 0 ? Math.round(value) : value.toFixed(1)} ${units[place]}`;
}

/** Bytes a second: `118.2 MB/s`. */
export function formatRate(bytesPerSecond: number): string {
  return `${formatBytes(bytesPerSecond)}/s`;
}

/** `1,204`. */
export function formatCount(count: number): string {
  return count.toLocaleString('en-US');
}

/** `1 host`, `42 hosts`. */
export function countOf(count: number, noun: string): string {
  return `${formatCount(count)} ${noun}${count === 1 ? '' : 's'}`;
}

/** Whole percent, 100 only when all is done; undefined when the whole is not known. */
export function percentOf(done: number, total: number): number | undefined {
  if (total <= 0) return undefined;
  return done >= total ? 100 : Math.min(99, Math.max(0, Math.floor((done * 100) / total)));
}
