/** What all casts of an interface may send together: as the admin has said, else what its cable carries. */
import { readFileSync } from 'node:fs';

/** What the admin has said, in Mbit/s. */
export interface InterfaceCaps {
  readonly interfaceMbit?: number;
  readonly interface: readonly { readonly name: string; readonly mbit: number }[];
}

export interface InterfaceRate {
  readonly mbit: number;
  /** A lone cast is held to it too. Else it only says what is to be shared. */
  readonly isCap: boolean;
}

/** Of the bits on a gigabit wire so many are a cast's own: 1456 of 1514 bytes of each packet, and gaps between packets. */
const PAYLOAD_SHARE = 0.95;

/** Undefined: nobody knows how fast it is, and casts share it as the network happens to let them. Pure. */
export function interfaceRate(
  name: string,
  caps: InterfaceCaps,
  linkMbit: number | undefined,
): InterfaceRate | undefined {
  const asked = interfaceCap(name, caps);
  if (asked !== undefined) return { mbit: asked, isCap: true };
  return linkMbit === undefined ? undefined : { mbit: linkMbit * PAYLOAD_SHARE, isCap: false };
}

/** What the admin has said of this interface; undefined: nothing. */
export function interfaceCap(name: string, caps: InterfaceCaps): number | undefined {
  return caps.interface.find((one) => one.name === name)?.mbit ?? caps.interfaceMbit;
}

/** As its driver says now; undefined when there is no cable, or the driver does not know. */
export function readLinkMbit(name: string): number | undefined {
  try {
    const mbit = Number(readFileSync(`/sys/class/net/${name}/speed`, 'latin1'));
    return mbit > 0 ? mbit : undefined;
  } catch {
    return undefined; // EINVAL: the driver refuses, as it does without a cable
  }
}
