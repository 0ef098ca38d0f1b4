/** SQL of images and their versions: a copy, for quick questions, of the image files of the store. */
import type { VersionView } from '#protocol/admin/image-api.ts';
import type { Database } from './database.ts';

export class ImageTable {
  readonly #names;
  readonly #versions;
  readonly #manifestIds;
  readonly #putAll: (images: ReadonlyMap<string, readonly VersionView[]>) => void;
  readonly #put: (name: string, versions: readonly VersionView[]) => void;
  readonly #rename;
  readonly #remove;

  constructor(database: Database) {
    this.#names = database.prepare<[], string>('SELECT name FROM image ORDER BY name').pluck();
    this.#versions = database
      .prepare<[string], string>(
        'SELECT view FROM image_version JOIN image USING (image_id) WHERE name = ? ORDER BY version DESC',
      )
      .pluck();
    this.#manifestIds = database
      .prepare<[], string>('SELECT DISTINCT manifest_id FROM image_version ORDER BY manifest_id')
      .pluck();
    this.#rename = database.prepare('UPDATE image SET name = ? WHERE name = ?');
    this.#remove = database.prepare('DELETE FROM image WHERE name = ?');

    const insertImage = database.prepare('INSERT INTO image (name) VALUES (?)');
    const insertVersion = database.prepare(
      'INSERT INTO image_version (image_id, version, manifest_id, view) VALUES (?, ?, ?, ?)',
    );
    const put = (name: string, versions: readonly VersionView[]) => {
      this.#remove.run(name);
      const imageId = insertImage.run(name).lastInsertRowid;
      for (const view of versions) insertVersion.run(imageId, view.version, view.manifestId, JSON.stringify(view));
    };
    this.#put = database.transaction(put);
    this.#putAll = database.transaction((images) => {
      for (const name of this.#names.all()) this.#remove.run(name);
      for (const [name, versions] of images) put(name, versions);
    });
  }

  /** In alphabetical order. */
  names(): string[] {
    return this.#names.all();
  }

  /** Newest first; empty when there is no such image. */
  versions(name: string): VersionView[] {
    return this.#versions.all(name).map((view) => JSON.parse(view) as VersionView);
  }

  /** Of every version of every image, each once. */
  manifestIds(): string[] {
    return this.#manifestIds.all();
  }

  /** Makes the tables hold just these images. */
  replaceAll(images: ReadonlyMap<string, readonly VersionView[]>): void {
    this.#putAll(images);
  }

  /** Makes the tables hold these versions of one image, and no other of it. */
  replace(name: string, versions: readonly VersionView[]): void {
    this.#put(name, versions);
  }

  rename(name: string, newName: string): void {
    this.#rename.run(newName, name);
  }

  remove(name: string): void {
    this.#remove.run(name);
  }
}
