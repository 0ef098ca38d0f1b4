/**
 * Who has opened the other end of a unix socket, as the kernel noted it when it connected (docs/decisions/0011). Node has no call
 * for it: getsockopt(2) is called through koffi.
 */
import type { Socket } from 'node:net';
import { loadLibc } from './libc.ts';

/** asm-generic/socket.h: so on x86-64 and arm64. */
const SOL_SOCKET = 1;
const SO_PEERCRED = 17;
/** struct ucred of unix(7): pid, uid, gid, four bytes each. */
const UCRED_BYTES = 12;
const UID_OFFSET = 4;

/** Undefined: nobody can say (without koffi), the socket is closed, or it is no unix socket. */
export async function peerUid(socket: Socket): Promise<number | undefined> {
  const libc = await loadLibc();
  const { _handle: handle } = socket as unknown as { readonly _handle?: { readonly fd?: number } | null };
  const fd = handle?.fd ?? -1;
  if (libc === undefined || fd < 0) return undefined;
  const credentials = Buffer.alloc(UCRED_BYTES);
  const length = Buffer.alloc(4);
  length.writeInt32LE(UCRED_BYTES);
  const code = libc.getsockopt(fd, SOL_SOCKET, SO_PEERCRED, credentials, length);
  // TCP sockets answer too, with pid 0.
  const isKnown = code === 0 && length.readInt32LE() === UCRED_BYTES && credentials.readInt32LE() > 0;
  return isKnown ? credentials.readUInt32LE(UID_OFFSET) : undefined;
}
