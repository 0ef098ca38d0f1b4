/** The way in to a virtual machine's serial port: what is typed at its console. What comes out is in its serial log. */
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { type VirtualMachine, vmFiles } from './virtual-machine.ts';

/** It is there while QEMU runs, and takes one console at a time. */
export class SerialPort {
  readonly #folder: string;
  #socket: Socket | undefined;

  constructor(vm: VirtualMachine) {
    this.#folder = vm.folder;
  }

  send(keys: Buffer): void {
    this.#socket ??= this.#open();
    this.#socket.write(keys);
  }

  close(): void {
    this.#socket?.destroy();
  }

  #open(): Socket {
    const socket = connect(join(this.#folder, vmFiles.console));
    socket.resume();
    // The machine is off, or has just been switched off: the next key tries again.
    socket.on('error', () => {});
    socket.on('close', () => {
      this.#socket = undefined;
    });
    return socket;
  }
}
