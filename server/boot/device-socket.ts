/**
 * UDP sockets that hear one network interface only. Node cannot set SO_BINDTODEVICE (socket(7)), so the socket is made through
 * koffi and handed to node:dgram; without koffi (an optional package) it hears every interface.
 */
import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { knownError } from '#protocol/errors.ts';
import { loadLibc } from '#system/libc.ts';
import { parseAddress } from './dhcp/address.ts';
import { describeHolder } from './port-holder.ts';

const AF_INET = 2;
const SOCK_DGRAM = 2;
const SOCK_CLOEXEC = 0o2000000;
const SOL_SOCKET = 1;
const SO_REUSEADDR = 2;
const SO_BINDTODEVICE = 25;

/**
 * Opens a socket on address:port that may broadcast. `shares` lets other sockets have the same port (SO_REUSEADDR); `device`
 * binds it to an interface, if koffi is there, and shares. Throws BOOT_PORT_TAKEN, BOOT_PORT_DENIED.
 */
export async function openSocket(o: {
  readonly address: string;
  readonly port: number;
  readonly shares?: boolean;
  readonly device?: string;
}): Promise<Socket> {
  const socket = createSocket({ type: 'udp4', reuseAddr: o.shares === true || o.device !== undefined });
  try {
    const fd = o.device === undefined ? undefined : await openOnDevice(o.address, o.port, o.device);
    // With a descriptor Node says so before bind() returns.
    const listening = once(socket, 'listening');
    if (fd === undefined) socket.bind(o.port, o.address);
    else socket.bind({ fd });
    await listening;
    socket.setBroadcast(true);
    return socket;
  } catch (error) {
    socket.close();
    const { code } = error as NodeJS.ErrnoException;
    const values = { port: o.port, address: o.address };
    if (code === 'EADDRINUSE') {
      const holder = await describeHolder(o.port, o.address);
      throw knownError('BOOT_PORT_TAKEN', { ...values, holder }, { cause: error });
    }
    if (code === 'EACCES') throw knownError('BOOT_PORT_DENIED', values, { cause: error });
    throw error;
  }
}

/** Whether sockets can be bound to an interface here. */
export async function canBindToDevice(): Promise<boolean> {
  return (await loadLibc()) !== undefined;
}

/** A bound descriptor; undefined when that cannot be done, so that the plain way reports why. */
async function openOnDevice(address: string, port: number, device: string): Promise<number | undefined> {
  const libc = await loadLibc();
  if (libc === undefined) return undefined;
  const fd = libc.socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return undefined;
  const one = Buffer.from([1, 0, 0, 0]);
  const name = Buffer.from(`${device}\0`);
  const where = sockaddr(address, port);
  const isBound =
    libc.setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, one, one.length) === 0 &&
    libc.setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, name, name.length) === 0 &&
    libc.bind(fd, where, where.length) === 0;
  if (isBound) return fd;
  libc.close(fd);
  return undefined;
}

/** struct sockaddr_in (ip(7)): family in the machine's order, port and address in the network's. */
function sockaddr(address: string, port: number): Buffer {
  const bytes = Buffer.alloc(16);
  bytes.writeUInt16LE(AF_INET, 0);
  bytes.writeUInt16BE(port, 2);
  bytes.writeUInt32BE(parseAddress(address), 4);
  return bytes;
}
