/** The state of a network interface of this machine. */
import { readFile } from 'node:fs/promises';
import { run } from '#system/run.ts';

export interface LinkState {
  readonly isUp: boolean;
  readonly hasCarrier: boolean;
  readonly mtu: number;
  /** In Mbit/s; absent when the driver does not say. */
  readonly mbit?: number;
  readonly duplex?: 'full' | 'half';
  /** Of its first IPv4 address; absent: it has none. */
  readonly broadcast?: string;
  readonly prefixLength: number;
}

/** What `ip -json address show` says of one interface. */
export interface IpAddressEntry {
  readonly flags: readonly string[];
  readonly mtu: number;
  readonly addr_info: readonly { readonly family: string; readonly broadcast?: string; readonly prefixlen: number }[];
}

/** Throws PROGRAM_MISSING, PROGRAM_FAILED. */
export async function readLinkState(name: string): Promise<LinkState> {
  const { stdout } = await run(['ip', '-json', 'address', 'show', 'dev', name], { limitMs: 10_000 });
  const [entry] = JSON.parse(stdout) as IpAddressEntry[];
  return describeLink(entry!, await readSys(name, 'speed'), await readSys(name, 'duplex'));
}

/** `speed` and `duplex` are the files of /sys/class/net: empty where the driver refuses, -1 and unknown where it does not know. */
export function describeLink(entry: IpAddressEntry, speed: string, duplex: string): LinkState {
  const first = entry.addr_info.find(({ family }) => family === 'inet');
  const mbit = Number(speed);
  return {
    isUp: entry.flags.includes('UP'),
    hasCarrier: entry.flags.includes('LOWER_UP'),
    mtu: entry.mtu,
    prefixLength: first?.prefixlen ?? 24,
    ...(Number.isInteger(mbit) && mbit > 0 ? { mbit } : {}),
    ...(duplex === 'full' || duplex === 'half' ? { duplex } : {}),
    ...(first?.broadcast === undefined ? {} : { broadcast: first.broadcast }),
  };
}

function readSys(name: string, file: string): Promise<string> {
  return readFile(`/sys/class/net/${name}/${file}`, 'utf8').then(
    (text) => text.trim(),
    () => '',
  );
}
