/** The names and numbers of the hosts of bench/load.ts, which its agents and its host list must agree on. Pure. */
export interface LoadHost {
  readonly name: string;
  readonly mac: string;
  readonly systemUuid: string;
  readonly address: string;
}

/** Up to 65,536 hosts, from 0. */
export function loadHost(index: number): LoadHost {
  const hex = index.toString(16).padStart(4, '0');
  return {
    name: `load-${String(index).padStart(4, '0')}`,
    mac: `02:fc:10:ad:${hex.slice(0, 2)}:${hex.slice(2)}`,
    systemUuid: `10ad10ad-0000-4000-8000-00000000${hex}`,
    address: `10.78.${index >> 8}.${index & 0xff}`,
  };
}
