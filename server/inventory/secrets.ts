/**
 * The secrets that the server keeps for hosts: a file each, that only the daemon may read. Their content is in no database, event,
 * answer or log; docs/luks.md says how it comes to a host. And which of them groups and images choose, by name.
 */
import { mkdir, readdir, readFile, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { LuksChoice, NewSecret, SecretView } from '#protocol/admin/secret-api.ts';
import { knownError } from '#protocol/errors.ts';
import { MAX_SECRET_BYTES } from '#protocol/secret.ts';
import { syncFolder, writeFileAtomic } from '#system/files.ts';
import { type ChoiceScope, ChoiceTable } from '../db/choice-table.ts';
import type { Database } from '../db/database.ts';
import { type Choice, type Choosers, choiceFor } from './choice.ts';
import type { EventLog } from './events.ts';
import { byName, checkName } from './name.ts';

const FOLDER_MODE = 0o700;
const FILE_MODE = 0o600;
/** What writeFileAtomic leaves behind when the power fails: it may hold a secret that nobody could remove by name. */
const LEFTOVER = /\.tmp-[0-9a-f]{12}$/;

export interface SecretsOptions {
  /** Folder of the files, each named as its secret. */
  readonly dir: string;
  readonly database: Database;
  readonly events: Pick<EventLog, 'add'>;
  /** Of a running session that names the secret. */
  sessionNaming(secret: string): number | undefined;
}

export interface SecretChoices {
  /** Undefined: nobody chooses any. Throws LUKS_SECRETS_DIFFER, SECRET_UNKNOWN. */
  chosenFor(choosers: Choosers): Choice | undefined;
}

export class Secrets {
  readonly #options: SecretsOptions;
  readonly #choices: ChoiceTable;

  constructor(options: SecretsOptions) {
    this.#options = options;
    this.#choices = new ChoiceTable(options.database);
  }

  /** Removes what a power cut has left behind. Only while nothing is added. */
  async removeLeftovers(): Promise<void> {
    for (const name of await this.#files()) if (LEFTOVER.test(name)) await rm(join(this.#options.dir, name));
  }

  /** In name order. */
  async list(): Promise<SecretView[]> {
    return (await Promise.all((await this.#names()).map((name) => this.#view(name)))).sort(byName);
  }

  /** What groups and images choose for hosts, of what there is now. */
  async choices(): Promise<SecretChoices> {
    const known = new Set(await this.#names());
    return { chosenFor: (choosers) => this.#chosenFor(choosers, known) };
  }

  /** What a group or an image chooses to open LUKS containers; null takes it back. Throws SECRET_UNKNOWN. */
  async setDefault(scope: ChoiceScope, name: string, secrets: readonly string[] | null): Promise<LuksChoice> {
    await this.requireKnown(secrets ?? []);
    this.#choices.set('luks-secrets', scope, name, secrets ?? undefined);
    const what = secrets === null ? 'no secrets of its own' : `these secrets: ${secrets.join(', ')}`;
    const text = `The ${scope} ${name} chooses ${what}`;
    this.#options.events.add({ subject: 'secret', action: 'chosen', text });
    return { of: `${scope} ${name}`, luksSecrets: secrets === null ? null : [...secrets] };
  }

  /** Throws NAME_INVALID, SECRET_EXISTS, SECRET_INVALID. */
  async add({ name, content }: NewSecret): Promise<SecretView> {
    const { events } = this.#options;
    checkName(name, 'secret');
    const bytes = Buffer.from(content, 'base64');
    try {
      await this.#write(name, bytes);
    } finally {
      bytes.fill(0);
    }
    events.add({ subject: 'secret', action: 'added', text: `The secret ${name} was added` });
    return this.#view(name);
  }

  async #write(name: string, bytes: Buffer): Promise<void> {
    const { dir } = this.#options;
    if (bytes.length === 0) throw knownError('SECRET_INVALID', { secret: name, problem: 'it is empty' });
    if (bytes.length > MAX_SECRET_BYTES) {
      throw knownError('SECRET_INVALID', { secret: name, problem: `it has more than ${MAX_SECRET_BYTES} bytes` });
    }
    await mkdir(dir, { recursive: true, mode: FOLDER_MODE });
    if (await this.#isKnown(name)) throw knownError('SECRET_EXISTS', { secret: name });
    await writeFileAtomic(join(dir, name), bytes, FILE_MODE);
  }

  /** What groups and images choose stays: a passphrase is changed by removing it and adding another under its name. Throws SECRET_UNKNOWN, SECRET_IN_USE. */
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

  /** Whoever asks overwrites it when it is not needed any more. Throws SECRET_UNKNOWN. */
  async read(name: string): Promise<Buffer> {
    await this.requireKnown([name]);
    return readFile(join(this.#options.dir, name));
  }

  async #view(name: string): Promise<SecretView> {
    const { mtimeMs } = await stat(join(this.#options.dir, name));
    return { name, createdAtMs: Math.round(mtimeMs), chosenBy: this.#choices.choosersOf('luks-secrets', name) };
  }

  async #names(): Promise<string[]> {
    return (await this.#files()).filter((name) => !LEFTOVER.test(name));
  }

  #files(): Promise<string[]> {
    return readdir(this.#options.dir).catch(emptyWhenMissing);
  }

  #chosenFor(choosers: Choosers, known: ReadonlySet<string>): Choice | undefined {
    const choice = choiceFor(this.#choices, 'luks-secrets', choosers);
    if (Array.isArray(choice)) {
      const secrets = choice.map(({ names, from }) => `${names.join(',')} (${from})`).join('; ');
      throw knownError('LUKS_SECRETS_DIFFER', { host: choosers.host, secrets });
    }
    const missing = choice?.names.find((name) => !known.has(name));
    if (missing !== undefined) throw knownError('SECRET_UNKNOWN', { secret: missing });
    return choice;
  }

  /** Looks the name up: what is no name is no path either. */
  async #isKnown(name: string): Promise<boolean> {
    return (await this.#names()).includes(name);
  }
}

function emptyWhenMissing(error: NodeJS.ErrnoException): string[] {
  if (error.code === 'ENOENT') return [];
  throw error;
}
