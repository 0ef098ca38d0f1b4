/** The value of --rate. */
import { usageError } from './usage-error.ts';

/** Mbit/s of `300`, `300M`, `300mbit`, `2.5G`, `1gbit`. Throws USAGE. */
export function parseRate(text: string): number {
  const match = /^(\d{1,7}(?:\.\d{1,3})?)(m|mbit|g|gbit)?$/i.exec(text);
  const mbit = match ? Number(match[1]) * (match[2]?.toLowerCase().startsWith('g') ? 1000 : 1) : 0;
  if (mbit <= 0) throw usageError(`--rate ${text} is not a rate: write Mbit/s (300, 300M) or Gbit/s (1G)`, 'deploy');
  return mbit;
}
