/** Finds "6 × FF, 16 × MAC" anywhere in the packet, as network cards do (AMD, Magic Packet Technology, 1995). */
export function isMagicPacketFor(packet: Uint8Array, mac: string): boolean {
  const address = Buffer.from(mac.replaceAll(':', ''), 'hex');
  const wanted = Buffer.concat([Buffer.alloc(6, 0xff), ...Array.from({ length: 16 }, () => address)]);
  return Buffer.from(packet).includes(wanted);
}
