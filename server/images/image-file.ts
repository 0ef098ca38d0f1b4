/**
 * The file of one image: `store/images/NAME.json`, the versions that the name stands for. docs/formats/image-file.md
 * The file's name is the image's name, so renaming an image is one rename(2).
 */
import { readdir, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { type Static, Type } from 'typebox';
import { Value } from 'typebox/value';
import { versionViewSchema } from '#protocol/admin/image-api.ts';
import { NAME_PATTERN } from '#protocol/admin/name.ts';
import { knownError } from '#protocol/errors.ts';
import { syncFolder, writeFileAtomic } from '#system/files.ts';

export const IMAGE_FILE_VERSION = 1;
const MANIFEST_ID_PATTERN = '^[0-9a-f]{64}$';

const imageFileSchema = Type.Object({
  format: Type.Literal('fleetcast-image'),
  formatVersion: Type.Integer({ minimum: 1 }),
  /** Number of the next version: numbers are never used again. */
  nextVersion: Type.Integer({ minimum: 1 }),
  /** Oldest first. */
  versions: Type.Array(
    Type.Object({ ...versionViewSchema.properties, manifestId: Type.String({ pattern: MANIFEST_ID_PATTERN }) }),
    { minItems: 1 },
  ),
});
export type ImageFile = Static<typeof imageFileSchema>;

const namePattern = new RegExp(NAME_PATTERN);

/** An image is a file of that name too. */
export function isImageName(name: string): boolean {
  return namePattern.test(name);
}

export class ImageFiles {
  readonly dir: string;

  constructor(dir: string) {
    this.dir = dir;
  }

  pathOf(name: string): string {
    return join(this.dir, `${name}.json`);
  }

  /** Names of all image files, the damaged ones too; removes what a killed process left half-written. */
  async list(): Promise<string[]> {
    const names: string[] = [];
    for (const file of await readdir(this.dir)) {
      if (/\.json\.tmp-[0-9a-f]+$/.test(file)) await rm(join(this.dir, file), { force: true });
      else if (file.endsWith('.json') && isImageName(file.slice(0, -5))) names.push(file.slice(0, -5));
    }
    return names.sort();
  }

  /** Undefined when there is no such file. Throws IMAGE_FILE_DAMAGED. */
  async read(name: string): Promise<ImageFile | undefined> {
    let text: string;
    try {
      text = await readFile(this.pathOf(name), 'utf8');
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
      throw this.#damaged(name, `it cannot be read (${(error as NodeJS.ErrnoException).code})`, error);
    }
    let content: unknown;
    try {
      content = JSON.parse(text);
    } catch (error) {
      throw this.#damaged(name, 'it is not JSON', error);
    }
    if (!Value.Check(imageFileSchema, content)) throw this.#damaged(name, 'it does not fit its schema');
    if (content.formatVersion > IMAGE_FILE_VERSION) {
      throw this.#damaged(name, `its format version is ${content.formatVersion}: a newer fleetcast wrote it`);
    }
    return content;
  }

  /** `beforeRename` is called when the file is written and only its name is lacking: what throws there leaves the old file. */
  async write(
    name: string,
    file: Omit<ImageFile, 'format' | 'formatVersion'>,
    beforeRename: () => void,
  ): Promise<void> {
    const content: ImageFile = { format: 'fleetcast-image', formatVersion: IMAGE_FILE_VERSION, ...file };
    await writeFileAtomic(this.pathOf(name), `${JSON.stringify(content, null, 2)}\n`, undefined, beforeRename);
  }

  async rename(name: string, newName: string): Promise<void> {
    await rename(this.pathOf(name), this.pathOf(newName));
    await syncFolder(this.dir);
  }

  async remove(name: string): Promise<void> {
    await rm(this.pathOf(name), { force: true });
    await syncFolder(this.dir);
  }

  #damaged(name: string, problem: string, cause?: unknown): Error {
    return knownError('IMAGE_FILE_DAMAGED', { path: this.pathOf(name), problem }, { cause });
  }
}
