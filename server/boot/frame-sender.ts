/** Sends whole Ethernet frames on one interface (packet(7)), through koffi: Node has no such sockets. Needs CAP_NET_RAW. */
import { readFileSync } from 'node:fs';
import { loadLibc } from '#system/libc.ts';

const AF_PACKET = 17;
const SOCK_RAW = 3;
const SOCK_CLOEXEC = 0o2000000;
const SOCK_NONBLOCK = 0o4000;
const SOCKADDR_LL_BYTES = 20;

export interface FrameSender {
  /** False: it could not be sent. Never waits, never throws. */
  send(frame: Buffer): boolean;
  /** May be repeated. */
  close(): void;
}

/** Undefined where frames cannot be sent: without koffi, or without the capability. */
export async function openFrameSender(device: string): Promise<FrameSender | undefined> {
  const libc = await loadLibc();
  if (libc === undefined) return undefined;
  // Protocol 0: it hears nothing.
  let fd = libc.socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return undefined;
  const where = linkAddress(Number(readFileSync(`/sys/class/net/${device}/ifindex`, 'latin1')));
  return {
    send: (frame) => fd >= 0 && libc.sendto(fd, frame, frame.length, 0, where, where.length) === frame.length,
    close() {
      if (fd >= 0) libc.close(fd);
      fd = -1;
    },
  };
}

/** struct sockaddr_ll; the frame itself says to whom. Family and index are in the machine's order (x86 and arm64: little-endian). */
function linkAddress(index: number): Buffer {
  const bytes = Buffer.alloc(SOCKADDR_LL_BYTES);
  bytes.writeUInt16LE(AF_PACKET, 0);
  bytes.writeInt32LE(index, 4);
  bytes[11] = 6;
  return bytes;
}
