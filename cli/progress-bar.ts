/** `[######----]`, in ASCII: it must look right on a serial console. */
export function progressBar(percent: number, width: number): string {
  const full = Math.round((width * Math.min(100, Math.max(0, percent))) / 100);
  return `[${'#'.repeat(full)}${'-'.repeat(width - full)}]`;
}
