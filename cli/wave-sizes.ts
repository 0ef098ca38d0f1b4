/** The values of --waves and --stop-at-failures. */
import type { WaveSize } from '#protocol/admin/deploy-api.ts';
import { usageError } from './usage-error.ts';

/** `1,5,rest`. Throws USAGE. */
export function parseWaveSizes(text: string): WaveSize[] {
  return text.split(',').map((size) => {
    if (size === 'rest') return 'rest';
    if (!/^[1-9]\d{0,4}$/.test(size))
      throw usageError(`--waves ${text}: ${size} is neither a count nor rest`, 'deploy');
    return Number(size);
  });
}

/** Throws USAGE. */
export function parseFailureLimit(text: string): number {
  if (!/^[1-9]\d{0,4}$/.test(text)) throw usageError(`--stop-at-failures ${text} is not a count of hosts`, 'deploy');
  return Number(text);
}
