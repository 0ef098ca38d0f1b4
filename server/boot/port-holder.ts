/**
 * Who has a UDP port already. DHCP servers share theirs (SO_REUSEADDR), so binding succeeds beside one and takes the packets that
 * are meant for it: it is looked for first.
 */
import { knownError } from '#protocol/errors.ts';
import { run } from '#system/run.ts';

export interface PortHolder {
  /** `0.0.0.0`, `*` or one of the machine's own. */
  readonly address: string;
  /** Bound to this interface alone. */
  readonly device?: string;
  /** `dnsmasq (process 812)`; a program of another user's is not told to who is not root. */
  readonly program?: string;
}

/** Throws BOOT_PORT_TAKEN when a program other than this one would lose packets. Without ss(8) nothing is found. */
export async function refuseTakenPort(port: number, own: { interface: string; address: string }): Promise<void> {
  const found = (await portHolders(port)).find((one) => isInTheWay(one, own));
  if (found === undefined) return;
  throw knownError('BOOT_PORT_TAKEN', { port, address: own.address, holder: found.program ?? 'another program' });
}

/** For the error after a bind that failed. */
export async function describeHolder(port: number, address: string): Promise<string> {
  const holders = await portHolders(port);
  return holders.find((one) => isWild(one) || one.address === address)?.program ?? 'another program';
}

/** What `ss -H -l -u -n -p` says, a line a socket: `UNCONN 0 0 0.0.0.0%virbr0:67 0.0.0.0:* users:(("dnsmasq",pid=812,fd=3))`. */
export function readHolders(text: string): PortHolder[] {
  return text.split('\n').flatMap((line) => {
    const [, address, device] = /^\S+\s+\d+\s+\d+\s+([^\s%]+?)(?:%(\S+?))?:\d+\s/.exec(line) ?? [];
    if (address === undefined) return [];
    const [, name, pid] = /\(\("([^"]*)",pid=(\d+)/.exec(line) ?? [];
    return [
      {
        address,
        ...(device === undefined ? {} : { device }),
        ...(name === undefined ? {} : { program: `${name} (process ${pid})` }),
      },
    ];
  });
}

async function portHolders(port: number): Promise<PortHolder[]> {
  try {
    return readHolders((await run(['ss', '-H', '-l', '-u', '-n', '-p', 'sport', '=', `:${port}`])).stdout);
  } catch {
    return [];
  }
}

function isInTheWay(holder: PortHolder, own: { interface: string; address: string }): boolean {
  if (holder.device !== undefined && holder.device !== own.interface) return false;
  return isWild(holder) || holder.address === own.address;
}

function isWild({ address }: PortHolder): boolean {
  return address === '0.0.0.0' || address === '*' || address === '[::]';
}
