/**
 * The LUKS containers of a disk that a deployment lays: each has a volume key of its own and the key slots of the order, and nothing
 * else opens it. One that is there already, of the same kind, and that one of the keys opens, is kept when what it holds is to count; other
 * key slots go. A new or changed header is made in memory and laid with the first write; what was there before then is not touched.
 */
import { mkdtemp, open, readFile, rm, writeFile } from 'node:fs/promises';
import { freemem, tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Disk } from '#protocol/disk.ts';
import { KnownError, knownError } from '#protocol/errors.ts';
import { type LuksContainer, payloadOf } from '#protocol/luks-container.ts';
import { addKeyArgv, formatArgv, isKeyOf, pbkdfMemoryKiB, runWithKey } from '../disk/cryptsetup.ts';
import { DirectFile } from '../disk/direct-file.ts';
import { keepOnlyKeys, type SlotChange } from '../disk/key-slots.ts';
import type { ClearedRun } from '../disk/layout-writer.ts';
import { withLoopDevice } from '../disk/loop-device.ts';
import { type LuksHeader, readLuksHeader } from '../disk/luks-header.ts';
import { UnlockedDisk } from '../disk/unlocked-disk.ts';

const PIECE_BYTES = 1024 * 1024;

/** A container and, when its header is not on the disk yet, the file that has it; `isNew`: with another volume key than before. */
interface Target {
  readonly container: LuksContainer;
  readonly headerPath?: string;
  readonly isNew: boolean;
}

export class TargetContainers {
  /** The disk with its containers open, until `close`. */
  readonly disk: Disk;
  readonly #real: Disk;
  readonly #keys: readonly Uint8Array[];
  readonly #targets: readonly Target[];
  readonly #folder: string;
  readonly #unlocked: UnlockedDisk;
  /** What was taken away that opened containers which are kept. */
  readonly warnings: readonly string[];
  #areHeadersLaid: boolean;

  private constructor(o: {
    real: Disk;
    keys: readonly Uint8Array[];
    targets: readonly Target[];
    folder: string;
    unlocked: UnlockedDisk;
    warnings: readonly string[];
  }) {
    this.#real = o.real;
    this.#keys = o.keys;
    this.#targets = o.targets;
    this.#folder = o.folder;
    this.#unlocked = o.unlocked;
    this.warnings = o.warnings;
    this.disk = { ...o.real, path: o.unlocked.path };
    this.#areHeadersLaid = o.targets.every(({ headerPath }) => headerPath === undefined);
  }

  /**
   * Writes nothing on the disk. The first key opens the container now. `mayKeep`: what containers hold that are there is to count; without
   * it all are made anew, with other volume keys. Throws LUKS_FAILED (with `{host}` left open), PROGRAM_MISSING.
   */
  static async prepare(
    real: Disk,
    containers: readonly LuksContainer[],
    keys: readonly Uint8Array[],
    mayKeep: boolean,
  ): Promise<TargetContainers> {
    const folder = await mkdtemp(join(tmpdir(), 'fleetcast-luks-'));
    try {
      const targets: Target[] = [];
      const warnings: string[] = [];
      for (const [i, container] of containers.entries()) {
        const path = join(folder, `header-${i}`);
        const change = mayKeep ? await keepHeader(real.path, container, keys, path) : undefined;
        if (change === undefined) await makeHeader(container, keys, path);
        else warnings.push(...sayRemoved(real.path, container, change));
        const isOnDisk = change !== undefined && !isChange(change);
        targets.push({ container, isNew: change === undefined, ...(isOnDisk ? {} : { headerPath: path }) });
      }
      const locked = targets.map(({ container, headerPath, isNew }) => {
        const keepFlags = isNew ? container.flags : undefined;
        return { container, keys: keys.slice(0, 1), headerPath, keepFlags };
      });
      const unlocked = await UnlockedDisk.open(real, locked, 'write');
      return new TargetContainers({ real, keys, targets, folder, unlocked, warnings });
    } catch (error) {
      await rm(folder, { recursive: true, force: true });
      throw asLuksFailure(error, real.path);
    }
  }

  /** Whether a header is still only in memory. */
  get hasNewHeaders(): boolean {
    return !this.#areHeadersLaid;
  }

  /** Whether any header was made or changed: nobody has opened the container by what lies on the disk. */
  get areUntried(): boolean {
    return this.#targets.some(({ headerPath }) => headerPath !== undefined);
  }

  /** Payloads with a new key: whatever lies there, it is not of the image. */
  get newPayloads(): ClearedRun[] {
    return this.#targets.filter(({ isNew }) => isNew).map(({ container }) => payloadRun(container));
  }

  /** Lays the new headers over what is in their place, all of it: no key slot of before is left. May be repeated. Throws DISK_WRITE_FAILED. */
  async layHeaders(): Promise<void> {
    if (this.#areHeadersLaid) return;
    for (const { container, headerPath } of this.#targets) {
      if (headerPath === undefined) continue;
      const header = (await readFile(headerPath)).subarray(0, container.payloadOffsetBytes);
      const file = DirectFile.open(this.disk.path, 'write');
      try {
        for (let at = 0; at < header.length; at += PIECE_BYTES) {
          const piece = header.subarray(at, at + PIECE_BYTES);
          file.writeAt(piece, container.startBytes + at, piece.length);
        }
        file.sync();
      } finally {
        file.close();
      }
    }
    this.#areHeadersLaid = true;
  }

  /** Locks the containers; the disk itself may be used again. May be called twice. */
  async close(): Promise<void> {
    await this.#unlocked.close();
    await rm(this.#folder, { recursive: true, force: true });
  }

  /**
   * After `close`: opens the containers by what is on the disk now, with every key, as the machine will. Throws LUKS_KEY_REFUSED, LUKS_FAILED.
   */
  async whileOpened<T>(use: (disk: Disk) => Promise<T>): Promise<T> {
    const locked = this.#targets.map(({ container }) => ({ container, keys: this.#keys }));
    const unlocked = await UnlockedDisk.open(this.#real, locked, 'write');
    try {
      const { path } = unlocked;
      const { sizeBytes, sectorBytes } = this.#real;
      const isShownAsIs = (await sectorBytesOf(path)) === sectorBytes;
      if (isShownAsIs) return await use({ ...this.#real, path });
      // Larger units of encryption make larger sectors: programs would look for the table in the wrong place.
      const span = { path, startBytes: 0, sizeBytes, sectorBytes, mode: 'write' as const };
      return await withLoopDevice(span, (node) => use({ ...this.#real, path: node }));
    } finally {
      await unlocked.close();
    }
  }
}

/** The header on the disk, in a file, with just these keys. Undefined: it is of another kind, or none of the keys opens it. */
async function keepHeader(
  diskPath: string,
  container: LuksContainer,
  keys: readonly Uint8Array[],
  path: string,
): Promise<SlotChange | undefined> {
  const header = headerAt(diskPath, container);
  if (header === undefined) return undefined;
  await copyHeader(diskPath, container, path);
  const memoryKiB = pbkdfMemoryKiB(freemem());
  return keepOnlyKeys(path, header, keys, (opener, key) => addSlot(container, { path, opener, key, memoryKiB }));
}

function isChange({ removedSlots, removedTokens, addedSlots }: SlotChange): boolean {
  return removedSlots + removedTokens.length + addedSlots > 0;
}

function sayRemoved(
  diskPath: string,
  { partition }: LuksContainer,
  { removedSlots, removedTokens }: SlotChange,
): string[] {
  const slots = removedSlots === 0 ? [] : [removedSlots === 1 ? 'a key slot' : `${removedSlots} key slots`];
  const what = [...slots, ...removedTokens];
  if (what.length === 0) return [];
  const where = partition === undefined ? diskPath : `partition ${partition} of ${diskPath}`;
  return [
    `${where}: only the secrets of the session open its LUKS container from now on. Taken away: ${what.join(', ')}`,
  ];
}

/** Whether the disk has a container of the wanted kind at that place that one of the keys opens. Throws LUKS_FAILED (with `{host}` left open). */
export async function isOpenedBy(
  diskPath: string,
  container: LuksContainer,
  keys: readonly Uint8Array[],
): Promise<boolean> {
  if (headerAt(diskPath, container) === undefined) return false;
  const folder = await mkdtemp(join(tmpdir(), 'fleetcast-luks-'));
  try {
    const path = join(folder, 'header');
    await copyHeader(diskPath, container, path);
    for (const key of keys) if (await isKeyOf(path, key)) return true;
    return false;
  } catch (error) {
    throw asLuksFailure(error, diskPath);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** What the container holds, as a run of the disk. */
export function payloadRun(container: LuksContainer): ClearedRun {
  const { startBytes, sizeBytes } = payloadOf(container);
  return { startBytes, endBytes: startBytes + sizeBytes };
}

/** Undefined: there is none that is like the wanted one. */
function headerAt(diskPath: string, container: LuksContainer): LuksHeader | undefined {
  const { startBytes, sizeBytes } = container;
  const read = (offset: number, length: number) => DirectFile.readSpan(diskPath, startBytes + offset, length);
  const header = readLuksHeader(read, sizeBytes);
  return typeof header === 'string' || !isLike(header, container) ? undefined : header;
}

/** Key slots are looked at in a file: cryptsetup wants no part of a disk. */
function copyHeader(diskPath: string, { startBytes, payloadOffsetBytes }: LuksContainer, path: string): Promise<void> {
  return writeHeaderFile(path, DirectFile.readSpan(diskPath, startBytes, payloadOffsetBytes));
}

/** Whether a container with this header is what the image wants. Pure. */
export function isLike(header: LuksHeader, wanted: LuksContainer): boolean {
  const keys = ['version', 'uuid', 'cipher', 'keyBytes', 'sectorBytes', 'payloadOffsetBytes', 'pbkdf'] as const;
  return keys.every((key) => header[key] === wanted[key]);
}

/** A header with a new volume key, in a file. */
async function makeHeader(container: LuksContainer, keys: readonly Uint8Array[], path: string): Promise<void> {
  await writeHeaderFile(path, Buffer.alloc(0), container.payloadOffsetBytes);
  const memoryKiB = pbkdfMemoryKiB(freemem());
  const [first, ...others] = keys;
  if (first === undefined) throw knownError('AGENT_FAILED', { reason: 'the order names no secret for its containers' });
  await runWithKey(formatArgv(container, path, memoryKiB), first);
  for (const key of others) await addSlot(container, { path, opener: first, key, memoryKiB });
}

/** Adds a key slot to the header in a file. */
async function addSlot(
  container: LuksContainer,
  o: { readonly path: string; readonly opener: Uint8Array; readonly key: Uint8Array; readonly memoryKiB: number },
): Promise<void> {
  // Two keys do not go through one standard input. The folder lies in memory: the agent has no other place.
  const keyPath = `${o.path}-key`;
  await writeFile(keyPath, o.key, { mode: 0o600 });
  try {
    await runWithKey(addKeyArgv(container, o.path, keyPath, o.memoryKiB), o.opener);
  } finally {
    // What a file in memory held stays there until the memory is used for something else.
    await writeFile(keyPath, Buffer.alloc(o.key.length), { flag: 'r+' });
    await rm(keyPath, { force: true });
  }
}

/** cryptsetup wants a payload behind the header, however small. */
async function writeHeaderFile(path: string, bytes: Uint8Array, headerBytes = bytes.length): Promise<void> {
  const file = await open(path, 'w', 0o600);
  try {
    await file.write(bytes);
    await file.truncate(headerBytes + PIECE_BYTES);
  } finally {
    await file.close();
  }
}

async function sectorBytesOf(node: string): Promise<number> {
  return Number(await readFile(`/sys/block/${node.replace('/dev/', '')}/queue/logical_block_size`, 'utf8'));
}

function asLuksFailure(error: unknown, disk: string): unknown {
  if (!(error instanceof KnownError) || error.code !== 'PROGRAM_FAILED') return error;
  return knownError('LUKS_FAILED', { disk, reason: error.message }, { cause: error });
}
