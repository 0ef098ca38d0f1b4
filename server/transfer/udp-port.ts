/** Whether a UDP port can be had: udp-sender would end with "Address already in use", and its hosts would wait in vain. */
import { createSocket } from 'node:dgram';
import { once } from 'node:events';

/** At this moment: whoever is quicker has it. Never throws. */
export async function isUdpPortFree(address: string, port: number): Promise<boolean> {
  const socket = createSocket('udp4');
  try {
    const bound = once(socket, 'listening');
    socket.bind({ address, port, exclusive: true });
    await bound;
    return true;
  } catch {
    return false;
  } finally {
    socket.close();
  }
}
