/**
 * What a sleeping network card listens for. As a program it sends it, from the network namespace that it is started in:
 *
 * magic-packet.ts MAC…
 */
import { createSocket } from 'node:dgram';
import { once } from 'node:events';

const WAKE_PORT = 9;
const BROADCAST = '255.255.255.255';

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
  return Buffer.from(packet).includes(magicPacket(mac));
}

function magicPacket(mac: string): Buffer {
  const address = Buffer.from(mac.replaceAll(':', ''), 'hex');
  return Buffer.concat([Buffer.alloc(6, 0xff), ...Array.from({ length: 16 }, () => address)]);
}

async function sendMagicPackets(macs: readonly string[]): Promise<void> {
  const socket = createSocket('udp4');
  socket.bind();
  await once(socket, 'listening');
  socket.setBroadcast(true);
  for (const mac of macs) {
    await new Promise<void>((resolve, reject) => {
      socket.send(magicPacket(mac), WAKE_PORT, BROADCAST, (error) => (error ? reject(error) : resolve()));
    });
  }
  socket.close();
}

if (import.meta.main) await sendMagicPackets(process.argv.slice(2));
