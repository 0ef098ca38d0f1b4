/**
 * A disk as one device on which the payload of LUKS containers lies in the clear, at its place: linear targets of the device-mapper to
 * the disk everywhere else. What knows nothing of encryption works on its path as on that of the disk.
 *
 * While it is open, the disk is read and written through it alone: what the kernel remembers of the one is not what it remembers of
 * the other. docs/decisions/0012-luks.md
 */
import type { Disk } from '#protocol/disk.ts';
import { knownError } from '#protocol/errors.ts';
import { type LuksContainer, payloadOf } from '#protocol/luks-container.ts';
import { closeContainer, openContainer } from './cryptsetup.ts';
import { createDevice, newDeviceName, nodeOf, removeDevice } from './device-mapper.ts';
import { linearTable } from './linear-device.ts';

/** A container of the disk and what opens it. */
export interface LockedContainer {
  readonly container: Pick<LuksContainer, 'startBytes' | 'sizeBytes' | 'payloadOffsetBytes' | 'partition'>;
  /** Tried in this order. */
  readonly keys: readonly Uint8Array[];
  /** A file that has the header; absent: it is where it belongs. */
  readonly headerPath?: string | undefined;
  readonly keepFlags?: readonly string[] | undefined;
}

export class UnlockedDisk {
  readonly path: string;
  /** How to let go of each device, the last one first. */
  readonly #devices: (() => Promise<void>)[];

  private constructor(path: string, devices: (() => Promise<void>)[]) {
    this.path = path;
    this.#devices = devices;
  }

  /**
   * Opens the containers. Writes nothing. Throws LUKS_KEY_REFUSED, LUKS_FAILED (with `{host}` left open), PROGRAM_MISSING.
   */
  static async open(
    disk: Pick<Disk, 'path' | 'sizeBytes'>,
    locked: readonly LockedContainer[],
    mode: 'read' | 'write',
  ): Promise<UnlockedDisk> {
    const devices: (() => Promise<void>)[] = [];
    try {
      const open: { startBytes: number; sizeBytes: number; path: string }[] = [];
      for (const one of locked) {
        const path = await openOne(disk.path, one, mode, devices);
        open.push({ ...payloadOf(one.container), path });
      }
      const name = newDeviceName('unlocked');
      const path = await createDevice(name, unlockedTable(disk, open), mode);
      devices.push(() => removeDevice(name));
      return new UnlockedDisk(path, devices);
    } catch (error) {
      await letGo(devices);
      throw asLuksError(error, disk.path);
    }
  }

  /** Locks it again; everything is on the disk then. May be called twice. Throws LUKS_FAILED while something is in use. */
  async close(): Promise<void> {
    try {
      await letGo(this.#devices);
    } catch (error) {
      throw asLuksError(error, this.path);
    }
  }
}

async function openOne(
  diskPath: string,
  { container, keys, headerPath, keepFlags }: LockedContainer,
  mode: 'read' | 'write',
  devices: (() => Promise<void>)[],
): Promise<string> {
  const outer = newDeviceName('container');
  const device = await createDevice(outer, linearTable(diskPath, [container]), mode);
  devices.push(() => removeDevice(outer));
  const name = newDeviceName('payload');
  for (const key of keys) {
    if (!(await openContainer({ device, name, headerPath, mode, keepFlags }, key))) continue;
    devices.push(() => closeContainer(name));
    return nodeOf(name);
  }
  throw knownError('LUKS_KEY_REFUSED', { where: describePlace(container) });
}

/** The table of the device. Pure. */
function unlockedTable(
  { path, sizeBytes }: Pick<Disk, 'path' | 'sizeBytes'>,
  payloads: readonly { readonly startBytes: number; readonly sizeBytes: number; readonly path: string }[],
): string {
  const pieces: { startBytes: number; sizeBytes: number; path?: string }[] = [];
  let at = 0;
  for (const payload of payloads.toSorted((a, b) => a.startBytes - b.startBytes)) {
    if (payload.startBytes > at) pieces.push({ startBytes: at, sizeBytes: payload.startBytes - at });
    pieces.push({ startBytes: 0, sizeBytes: payload.sizeBytes, path: payload.path });
    at = payload.startBytes + payload.sizeBytes;
  }
  if (at < sizeBytes) pieces.push({ startBytes: at, sizeBytes: sizeBytes - at });
  return linearTable(path, pieces);
}

/** `partition 3`, `the disk`, for people. */
function describePlace({ partition }: Pick<LuksContainer, 'partition'>): string {
  return partition === undefined ? 'the disk' : `partition ${partition}`;
}

async function letGo(devices: (() => Promise<void>)[]): Promise<void> {
  for (let last = devices.at(-1); last !== undefined; last = devices.at(-1)) {
    await last();
    devices.pop();
  }
}

function asLuksError(error: unknown, disk: string): unknown {
  const { code, message } = error as { code?: string; message: string };
  return code === 'PROGRAM_FAILED' ? knownError('LUKS_FAILED', { disk, reason: message }, { cause: error }) : error;
}
