/** Canary waves: which hosts come first, and when the next ones may follow. Pure. (How many hosts are woken at once is wake-wave.ts.) */
import type { WaveSize } from '#protocol/admin/deploy-api.ts';

export interface WaveFacts {
  /** Hosts of later waves, which nobody has touched. */
  readonly waiting: number;
  /** Hosts of the session that have failed. */
  readonly failed: number;
  /** Hosts of the present wave that are done. */
  readonly succeeded: number;
  /** Hosts of the present wave that still run. */
  readonly running: number;
  readonly stopAtFailures: number;
}

/** Why no further wave begins. */
export type WaveStop = 'failures' | 'nobody';

/** The wave of each of `count` hosts, from 1. The last size holds for all waves after it. */
export function assignWaves(sizes: readonly WaveSize[], count: number): number[] {
  const waves: number[] = [];
  for (let wave = 1; waves.length < count; wave++) {
    const size = sizes[Math.min(wave, sizes.length) - 1]!;
    const left = count - waves.length;
    waves.push(...Array<number>(size === 'rest' ? left : Math.min(size, left)).fill(wave));
  }
  return waves;
}

/** What is wrong with the sizes of waves; undefined: nothing. */
export function waveProblem(sizes: readonly WaveSize[], verify: 'full' | 'none'): string | undefined {
  if (sizes.slice(0, -1).includes('rest')) return 'nothing comes after the rest';
  return verify === 'none' ? 'without verifying, a wave proves nothing for the next one' : undefined;
}

/**
 * Failures stop the waves at once: the hosts that wait are free again. Otherwise a wave follows when the one before has ended, and
 * has proved something: at least one of its hosts is done.
 */
export function decideWave(facts: WaveFacts): 'next' | WaveStop | undefined {
  if (facts.waiting === 0) return undefined;
  if (facts.failed >= facts.stopAtFailures) return 'failures';
  if (facts.running > 0) return undefined;
  return facts.succeeded > 0 ? 'next' : 'nobody';
}
