/** Extents taken as sets of bytes. Without an object for each run: a full disk has a million of them. Pure. */
import type { Extents } from '#protocol/chunk.ts';

/** What is in either. */
export function uniteExtents(a: Extents, b: Extents): Extents {
  const out: number[] = [];
  for (let i = 0, j = 0; i < a.length || j < b.length; ) {
    const isFromA = j >= b.length || (i < a.length && a[i]! <= b[j]!);
    const start = isFromA ? a[i]! : b[j]!;
    const end = isFromA ? a[i + 1]! : b[j + 1]!;
    if (isFromA) i += 2;
    else j += 2;
    const last = out.length - 1;
    if (last > 0 && start <= out[last]!) out[last] = Math.max(out[last]!, end);
    else out.push(start, end);
  }
  return Float64Array.from(out);
}

/** What is in `a` and not in `b`. */
export function subtractExtents(a: Extents, b: Extents): Extents {
  const out: number[] = [];
  let j = 0;
  for (let i = 0; i < a.length; i += 2) {
    let start = a[i]!;
    const end = a[i + 1]!;
    while (j < b.length && b[j + 1]! <= start) j += 2;
    for (let k = j; k < b.length && b[k]! < end && start < end; k += 2) {
      if (b[k]! > start) out.push(start, b[k]!);
      start = Math.max(start, b[k + 1]!);
    }
    if (start < end) out.push(start, end);
  }
  return Float64Array.from(out);
}
