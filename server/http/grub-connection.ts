/** The connection over which GRUB fetched its script. */
import type { Socket } from 'node:net';

/** By then GRUB has read a script of some hundred bytes. */
const READ_MS = 2000;

/**
 * Resets the connection soon. GRUB 2.12 leaves it open when it starts the kernel, and after a restart of the machine asks from
 * the same port again: what the server then still knows of the old connection keeps the new one out for over a minute (seen in
 * QEMU). A close in good order would leave FIN-WAIT-2 behind, so it is a reset.
 */
export function dropConnection(socket: Socket): void {
  setTimeout(() => socket.resetAndDestroy(), READ_MS).unref();
}
