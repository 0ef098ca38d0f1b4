/** What a sleeping network card listens for. */
import { createSocket } from 'node:dgram';
import { once } from 'node:events';

const WAKE_PORT = 9;

/** A network card that is asleep: resolves at a magic packet for it. Only what comes in UDP to port 9 is heard. */
export async function magicPacketFor(mac: string): Promise<void> {
  const socket = createSocket({ type: 'udp4', reuseAddr: true });
  socket.bind(WAKE_PORT);
  for (;;) {
    const [packet] = (await once(socket, 'message')) as [Buffer];
    if (isMagicPacketFor(packet, mac)) break;
  }
  socket.close();
}

/** Finds "6 × FF, 16 × MAC" anywhere in the packet, as network cards do (AMD, Magic Packet Technology, 1995). */
export function isMagicPacketFor(packet: Uint8Array, mac: string): boolean {
  const address = Buffer.from(mac.replaceAll(':', ''), 'hex');
  const wanted = Buffer.concat([Buffer.alloc(6, 0xff), ...Array.from({ length: 16 }, () => address)]);
  return Buffer.from(packet).includes(wanted);
}
