/**
 * The secrets that the server keeps for hosts: a file each, that only the daemon may read. Their content is in no database, event,
 * answer or log; docs/luks.md says how it comes to a host.
 */
import { mkdir, readdir, readFile, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { NewSecret, SecretView } from '#protocol/admin/secret-api.ts';
import { knownError } from '#protocol/errors.ts';
import { MAX_SECRET_BYTES } from '#protocol/secret.ts';
import { syncFolder, writeFileAtomic } from '#system/files.ts';
import type { EventLog } from './events.ts';
import { byName, checkName } from './name.ts';

const FOLDER_MODE = 0o700;
const FILE_MODE = 0o600;

export interface SecretsOptions {
  /** Folder of the files, each named as its secret. */
  readonly dir: string;
  readonly events: Pick<EventLog, 'add'>;
  /** Of a running session that names the secret. */
  sessionNaming(secret: string): number | undefined;
}

export class Secrets {
  readonly #options: SecretsOptions;

  constructor(options: SecretsOptions) {
    this.#options = options;
  }

  /** In name order. */
  async list(): Promise<SecretView[]> {
    const files = await readdir(this.#options.dir).catch(emptyWhenMissing);
    // A name cannot hold what is left behind by a power cut.
    const names = files.filter((name) => !name.includes('.tmp-'));
    return (await Promise.all(names.map((name) => this.#view(name)))).sort(byName);
  }

  /** Throws NAME_INVALID, SECRET_EXISTS, SECRET_INVALID. */
  async add({ name, content }: NewSecret): Promise<SecretView> {
    const { dir, events } = this.#options;
    checkName(name, 'secret');
    const bytes = Buffer.from(content, 'base64');
    if (bytes.length === 0) throw knownError('SECRET_INVALID', { secret: name, problem: 'it is empty' });
    if (bytes.length > MAX_SECRET_BYTES) {
      throw knownError('SECRET_INVALID', { secret: name, problem: `it has more than ${MAX_SECRET_BYTES} bytes` });
    }
    await mkdir(dir, { recursive: true, mode: FOLDER_MODE });
    if (await this.#isKnown(name)) throw knownError('SECRET_EXISTS', { secret: name });
    await writeFileAtomic(join(dir, name), bytes, FILE_MODE);
    bytes.fill(0);
    events.add({ subject: 'secret', action: 'added', text: `The secret ${name} was added` });
    return this.#view(name);
  }

  /** Throws SECRET_UNKNOWN, SECRET_IN_USE. */
  async remove(name: string): Promise<void> {
    await this.requireKnown([name]);
    const session = this.#options.sessionNaming(name);
    if (session !== undefined) throw knownError('SECRET_IN_USE', { secret: name, session });
    const { dir, events } = this.#options;
    await rm(join(dir, name));
    await syncFolder(dir);
    events.add({ subject: 'secret', action: 'removed', text: `The secret ${name} was removed` });
  }

  /** Throws SECRET_UNKNOWN. */
  async requireKnown(names: readonly string[] = []): Promise<void> {
    for (const name of names) if (!(await this.#isKnown(name))) throw knownError('SECRET_UNKNOWN', { secret: name });
  }

  /** Throws SECRET_UNKNOWN. */
  async read(name: string): Promise<Buffer> {
    await this.requireKnown([name]);
    return readFile(join(this.#options.dir, name));
  }

  async #view(name: string): Promise<SecretView> {
    const { mtimeMs } = await stat(join(this.#options.dir, name));
    return { name, createdAtMs: Math.round(mtimeMs) };
  }

  /** Looks the name up: what is no name is no path either. */
  async #isKnown(name: string): Promise<boolean> {
    return (await readdir(this.#options.dir).catch(emptyWhenMissing)).includes(name);
  }
}

function emptyWhenMissing(error: NodeJS.ErrnoException): string[] {
  if (error.code === 'ENOENT') return [];
  throw error;
}
