/** The folder of packs: `xx/HEX.pack` files and the open descriptors that reading them keeps. */
import { randomBytes } from 'node:crypto';
import { type FileHandle, mkdir, open, readdir, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { knownError } from '#protocol/errors.ts';
import { publishFile, syncFolder } from '#system/files.ts';

/** Most descriptors kept open while nobody reads: an image's packs are read one after another. */
const MAX_OPEN = 32;
const TEMPORARY_PREFIX = 'tmp-';

interface OpenPack {
  readonly handle: Promise<FileHandle>;
  readers: number;
  /** No new reader comes: the last one closes it. */
  isForgotten: boolean;
}

export interface PackFile {
  readonly name: string;
  readonly bytes: number;
  readonly modifiedMs: number;
}

export class PackFiles {
  readonly dir: string;
  /** Least lately used first. */
  readonly #open = new Map<string, OpenPack>();

  constructor(dir: string) {
    this.dir = dir;
  }

  pathOf(name: string): string {
    return join(this.dir, name.slice(0, 2), `${name}.pack`);
  }

  /** Every pack in the folder. */
  async list(): Promise<PackFile[]> {
    const found: PackFile[] = [];
    for (const folder of await readdir(this.dir)) {
      if (!/^[0-9a-f]{2}$/.test(folder)) continue;
      for (const file of await readdir(join(this.dir, folder))) {
        const name = /^([0-9a-f]{64})\.pack$/.exec(file)?.[1];
        if (name === undefined || !name.startsWith(folder)) continue;
        const { size, mtimeMs } = await stat(this.pathOf(name));
        found.push({ name, bytes: size, modifiedMs: mtimeMs });
      }
    }
    return found;
  }

  /** Removes what a killed process left half-written. */
  async removeTemporary(): Promise<void> {
    for (const file of await readdir(this.dir)) {
      if (file.startsWith(TEMPORARY_PREFIX)) await rm(join(this.dir, file), { force: true });
    }
  }

  temporaryPath(): string {
    return join(this.dir, `${TEMPORARY_PREFIX}${randomBytes(8).toString('hex')}`);
  }

  /** Gives a finished temporary file its name for good. A pack of that name that is there already (it has the same chunks) is replaced. */
  async publish(file: FileHandle, temporary: string, name: string): Promise<void> {
    const path = this.pathOf(name);
    if ((await mkdir(dirname(path), { recursive: true })) !== undefined) await syncFolder(this.dir);
    await publishFile(file, temporary, path);
    this.forget(name);
  }

  async remove(name: string): Promise<void> {
    this.forget(name);
    await rm(this.pathOf(name), { force: true });
    await syncFolder(dirname(this.pathOf(name)));
  }

  /**
   * Fills the first `length` bytes of `buffer` with the pack's bytes from `offset` on.
   * Throws PACK_CORRUPT when the pack is absent, ends before, or cannot be read.
   */
  async readAt(name: string, buffer: Buffer, offset: number, length: number): Promise<void> {
    const pack = this.#use(name);
    try {
      const handle = await pack.handle;
      for (let done = 0; done < length; ) {
        const { bytesRead } = await handle.read(buffer, done, length - done, offset + done);
        if (bytesRead === 0)
          throw knownError('PACK_CORRUPT', { pack: name, problem: `it ends at byte ${offset + done}` });
        done += bytesRead;
      }
    } catch (error) {
      throw packError(name, error);
    } finally {
      pack.readers--;
      if (pack.isForgotten) closeUnread(pack);
      this.#closeSurplus();
    }
  }

  /** Closes the descriptor of a pack that is replaced or removed; reads that are under way end on the old file. */
  forget(name: string): void {
    const pack = this.#open.get(name);
    if (pack === undefined) return;
    this.#open.delete(name);
    pack.isForgotten = true;
    closeUnread(pack);
  }

  async close(): Promise<void> {
    const handles = [...this.#open.values()].map((pack) => pack.handle);
    this.#open.clear();
    await Promise.allSettled(handles.map(async (handle) => (await handle).close()));
  }

  #use(name: string): OpenPack {
    const known = this.#open.get(name);
    const pack = known ?? { handle: open(this.pathOf(name), 'r'), readers: 0, isForgotten: false };
    this.#open.delete(name);
    this.#open.set(name, pack);
    pack.readers++;
    if (known === undefined) pack.handle.catch(() => this.#open.get(name) === pack && this.#open.delete(name));
    return pack;
  }

  #closeSurplus(): void {
    for (const [name, pack] of this.#open) {
      if (this.#open.size <= MAX_OPEN) return;
      if (pack.readers === 0) this.forget(name);
    }
  }
}

function closeUnread(pack: OpenPack): void {
  // A pack that could not be opened has nothing to close; its reader has the error.
  if (pack.readers === 0) pack.handle.then((handle) => handle.close()).catch(() => {});
}

function packError(name: string, error: unknown): unknown {
  const { code } = error as NodeJS.ErrnoException;
  if (code === 'ENOENT')
    return knownError('PACK_CORRUPT', { pack: name, problem: 'the file is missing' }, { cause: error });
  if (code === 'EIO')
    return knownError('PACK_CORRUPT', { pack: name, problem: 'the disk cannot read it' }, { cause: error });
  return error;
}
