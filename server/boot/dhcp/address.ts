/** IPv4 addresses as numbers of 32 bits, so that ranges and networks are arithmetic. */

/** 0 to 2^32 − 1; 0 is "none", as in a DHCP packet. */
export type Ipv4 = number;

export const NO_ADDRESS: Ipv4 = 0;
export const LIMITED_BROADCAST: Ipv4 = 0xffff_ffff;

/** Undefined when the text is not four decimal numbers from 0 to 255. */
export function readAddress(text: string): Ipv4 | undefined {
  const match = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})$/.exec(text);
  if (match === null) return undefined;
  const bytes = match.slice(1).map(Number);
  if (bytes.some((byte) => byte > 255)) return undefined;
  return bytes.reduce((sum, byte) => sum * 256 + byte, 0);
}

/** As readAddress, for text that was checked before. Throws RangeError. */
export function parseAddress(text: string): Ipv4 {
  const address = readAddress(text);
  if (address === undefined) throw new RangeError(`${text} is not an IPv4 address`);
  return address;
}

/** `10.77.0.0/24`, checked before. */
export function parseNetwork(text: string): { readonly address: Ipv4; readonly netmask: Ipv4 } {
  const [address, bits] = text.split('/') as [string, string];
  return { address: parseAddress(address), netmask: (0xffff_ffff << (32 - Number(bits))) >>> 0 };
}

/** As four decimal numbers: `10.77.0.1`. */
export function formatAddress(address: Ipv4): string {
  return `${address >>> 24}.${(address >>> 16) & 255}.${(address >>> 8) & 255}.${address & 255}`;
}

export function isSameNetwork(a: Ipv4, b: Ipv4, netmask: Ipv4): boolean {
  return ((a ^ b) & netmask) === 0;
}

/** The last address of the network. */
export function broadcastOf(address: Ipv4, netmask: Ipv4): Ipv4 {
  return (address | ~netmask) >>> 0;
}
