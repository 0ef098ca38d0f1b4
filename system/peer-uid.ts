/**
 * Who has opened the other end of a unix socket, as the kernel noted it when it connected. Node has no call for it, so
 * getsockopt(2) of the runtime's own C library is called (docs/decisions/0011).
 */
import { dlopen, getRawPointer } from 'node:ffi';
import type { Socket } from 'node:net';

/** asm-generic/socket.h: so on x86-64 and arm64. */
const SOL_SOCKET = 1;
const SO_PEERCRED = 17;
/** struct ucred of unix(7): pid, uid, gid, four bytes each. */
const UCRED_BYTES = 12;
const UID_OFFSET = 4;

const getsockopt = dlopen(null).lib.getFunction('getsockopt', {
  arguments: ['int32', 'int32', 'int32', 'pointer', 'pointer'],
  return: 'int32',
});

/** Undefined: the socket is closed, or no unix socket. */
export function peerUid(socket: Socket): number | undefined {
  const { _handle: handle } = socket as unknown as { readonly _handle?: { readonly fd?: number } | null };
  const fd = handle?.fd ?? -1;
  if (fd < 0) return undefined;
  const credentials = Buffer.alloc(UCRED_BYTES);
  const length = Buffer.alloc(4);
  length.writeInt32LE(UCRED_BYTES);
  const code = getsockopt(fd, SOL_SOCKET, SO_PEERCRED, getRawPointer(credentials), getRawPointer(length));
  // TCP sockets answer too, with pid 0.
  const isKnown = code === 0 && length.readInt32LE() === UCRED_BYTES && credentials.readInt32LE() > 0;
  return isKnown ? credentials.readUInt32LE(UID_OFFSET) : undefined;
}
