/**
 * The mounted root of a target. Its symbolic links mean what they mean on the target itself: an absolute one begins at that root, and
 * none leads out of it, so that what a finisher writes never lands in the agent.
 */
import { constants, mkdirSync } from 'node:fs';
import { lstat, open, readdir, readlink, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';

/** As the kernel counts (path_resolution(7)). */
const MOST_LINKS = 40;

export class RootFolder {
  /** Mount point. */
  readonly path: string;

  constructor(path: string) {
    this.path = path;
  }

  /** Where `name` (below the root) lies, every link followed as on the target; what does not exist is taken as it is. */
  async resolve(name: string): Promise<string> {
    const waiting = name.split('/');
    let inside: string[] = [];
    let links = 0;
    while (waiting.length > 0) {
      const part = waiting.shift()!;
      if (part === '' || part === '.') continue;
      if (part === '..') {
        inside.pop();
        continue;
      }
      const at = join(this.path, ...inside, part);
      const isLink = (await lstat(at).catch(() => undefined))?.isSymbolicLink() === true;
      if (!isLink) {
        inside.push(part);
        continue;
      }
      if (++links > MOST_LINKS) throw new Error(`${name} leads in a circle`);
      const target = await readlink(at);
      if (target.startsWith('/')) inside = [];
      waiting.unshift(...target.split('/'));
    }
    return join(this.path, ...inside);
  }

  /** Undefined when there is no such file. */
  async read(name: string): Promise<string | undefined> {
    return (await this.readBytes(name))?.toString('utf8');
  }

  async readBytes(name: string): Promise<Buffer | undefined> {
    const path = await this.resolve(name);
    // A FIFO or a device of the target would hold the agent for ever, or worse.
    if ((await stat(path).catch(() => undefined))?.isFile() !== true) return undefined;
    const file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW);
    try {
      return await file.readFile();
    } finally {
      await file.close();
    }
  }

  /** Keeps owner and mode of a file that exists; makes the folders that are lacking. */
  async write(name: string, content: string | Uint8Array, mode = 0o644): Promise<void> {
    const path = await this.resolve(name);
    mkdirSync(dirname(path), { recursive: true });
    const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_TRUNC | constants.O_NOFOLLOW;
    const file = await open(path, flags, mode);
    try {
      await file.writeFile(content);
      await file.sync();
    } finally {
      await file.close();
    }
  }

  async exists(name: string): Promise<boolean> {
    return (await stat(await this.resolve(name)).catch(() => undefined)) !== undefined;
  }

  /** Names in a folder, in order; none when there is no such folder. */
  async list(folder: string): Promise<string[]> {
    const names = await readdir(await this.resolve(folder)).catch(() => []);
    return names.sort();
  }

  /** The file, or the link itself, is gone afterwards. */
  async remove(name: string): Promise<void> {
    const folder = await this.resolve(dirname(name));
    await rm(join(folder, name.slice(name.lastIndexOf('/') + 1)), { force: true });
  }
}
