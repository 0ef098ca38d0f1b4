/** Finishers: the built-in ones, those that the admin uploaded, and who chooses which by default. */
import { createHash } from 'node:crypto';
import { mkdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { FinisherDefault, FinisherView, NewFinisher } from '#protocol/admin/finisher-api.ts';
import { knownError } from '#protocol/errors.ts';
import {
  builtInFinishers,
  type FinisherStep,
  isBuiltIn,
  MAX_FINISHER_BYTES,
  NO_FINISHERS,
} from '#protocol/finisher.ts';
import { whyNoProgram } from '#protocol/finisher-program.ts';
import { checkTemplate } from '#protocol/template.ts';
import type { Clock } from '#system/clock.ts';
import { syncFolder, writeFileAtomic } from '#system/files.ts';
import { type ChoiceScope, ChoiceTable } from '../db/choice-table.ts';
import type { Database } from '../db/database.ts';
import { type FinisherRow, FinisherTable } from '../db/finisher-table.ts';
import { type Choosers, choiceFor } from './choice.ts';
import type { EventLog } from './events.ts';
import { checkName } from './name.ts';

export interface FinishersOptions {
  readonly database: Database;
  /** Folder of the files, each named by its digest. */
  readonly dir: string;
  readonly events: Pick<EventLog, 'add'>;
  readonly clock: Clock;
}

export class Finishers {
  readonly #options: FinishersOptions;
  readonly #table: FinisherTable;
  readonly #choices: ChoiceTable;

  constructor(options: FinishersOptions) {
    this.#options = options;
    this.#table = new FinisherTable(options.database);
    this.#choices = new ChoiceTable(options.database);
  }

  /** The built-in ones, then the own ones in name order. */
  list(): FinisherView[] {
    const chosenBy = (name: string) => this.#choices.choosersOf('finishers', name);
    const builtIn = Object.entries(builtInFinishers).map(([name, { scope, onError, limitS }]) => {
      return { name, isBuiltIn: true, scope, onError, limitS, chosenBy: chosenBy(name) };
    });
    return [...builtIn, ...this.#table.all().map((row) => ({ ...viewOf(row), chosenBy: chosenBy(row.name) }))];
  }

  /** Throws NAME_INVALID, FINISHER_EXISTS, FINISHER_INVALID, TEMPLATE_INVALID. */
  async add({ name, content, onError, limitS, to }: NewFinisher): Promise<FinisherView> {
    checkName(name, 'finisher');
    const bytes = Buffer.from(content, 'base64');
    this.#checkFree(name);
    const problem = problemOf(bytes, to);
    if (problem !== undefined) throw knownError('FINISHER_INVALID', { finisher: name, problem });
    if (to !== undefined) checkTemplate(bytes.toString('utf8'), name);
    const { dir, clock, events } = this.#options;
    const digest = digestOf(bytes);
    await mkdir(dir, { recursive: true, mode: 0o750 });
    await writeFileAtomic(join(dir, digest), bytes);
    this.#checkFree(name);
    this.#table.insert({
      ...{ name, digest, bytes: bytes.length, target: to ?? null },
      ...{ on_error: onError, limit_s: limitS, created_ms: clock.nowMs() },
    });
    events.add({ subject: 'finisher', action: 'added', text: `The finisher ${name} was added (SHA-256 ${digest})` });
    return this.#view(name);
  }

  /** Throws FINISHER_UNKNOWN, FINISHER_BUILT_IN, FINISHER_IN_USE. */
  async remove(name: string): Promise<void> {
    if (isBuiltIn(name)) throw knownError('FINISHER_BUILT_IN', { finisher: name });
    const { chosenBy, digest } = this.#view(name);
    const session = this.#table.sessionRunning(name);
    const user = session === undefined ? chosenBy[0] : `session ${session}`;
    if (user !== undefined) throw knownError('FINISHER_IN_USE', { finisher: name, user });
    this.#table.remove(name);
    this.#options.events.add({ subject: 'finisher', action: 'removed', text: `The finisher ${name} was removed` });
    if (this.#table.hasDigest(digest!)) return;
    await rm(join(this.#options.dir, digest!), { force: true });
    await syncFolder(this.#options.dir);
  }

  /** What a group or an image chooses; null takes it back. Throws FINISHER_UNKNOWN, INVALID_REQUEST. */
  setDefault(scope: ChoiceScope, name: string, finishers: readonly string[] | null): FinisherDefault {
    if (finishers !== null) this.#stepsOf(finishers);
    this.#choices.set('finishers', scope, name, finishers ?? undefined);
    const what = finishers === null ? 'nothing of its own' : finishers.join(', ') || NO_FINISHERS;
    this.#options.events.add({
      ...{ subject: 'finisher', action: 'chosen', text: `The ${scope} ${name} chooses these finishers: ${what}` },
    });
    return { of: `${scope} ${name}`, finishers: finishers === null ? null : [...finishers] };
  }

  /** What runs on a host, in order. Throws FINISHER_UNKNOWN, FINISHERS_AMBIGUOUS. */
  chosenFor(choosers: Choosers): FinisherStep[] {
    const choice = choiceFor(this.#choices, 'finishers', choosers);
    if (!Array.isArray(choice)) return this.#stepsOf(choice?.names ?? []);
    const groups = choice.map(({ from }) => from.replace(/^the group /, '')).join(', ');
    throw knownError('FINISHERS_AMBIGUOUS', { host: choosers.host, groups });
  }

  /** The bytes of an own one. Throws FINISHER_DAMAGED. */
  async read(name: string, digest: string): Promise<Buffer> {
    const bytes = await readFile(join(this.#options.dir, digest)).catch(() => undefined);
    if (bytes === undefined || digestOf(bytes) !== digest) throw knownError('FINISHER_DAMAGED', { finisher: name });
    return bytes;
  }

  /** The word `none` alone is the empty list. */
  #stepsOf(names: readonly string[]): FinisherStep[] {
    if (names.length === 1 && names[0] === NO_FINISHERS) return [];
    const twice = names.find((name, i) => names.indexOf(name) !== i);
    if (twice !== undefined) throw knownError('INVALID_REQUEST', { problem: `the finisher ${twice} is named twice` });
    return names.map((name) => {
      const { onError, limitS, digest, to } = this.#view(name);
      return {
        name,
        onError,
        limitS,
        ...(digest === undefined ? {} : { digest }),
        ...(to === undefined ? {} : { to }),
      };
    });
  }

  #view(name: string): FinisherView {
    const view = this.list().find((one) => one.name === name);
    if (view === undefined) throw knownError('FINISHER_UNKNOWN', { finisher: name });
    return view;
  }

  #checkFree(name: string): void {
    const isTaken = isBuiltIn(name) || name === NO_FINISHERS || this.#table.byName(name) !== undefined;
    if (isTaken) throw knownError('FINISHER_EXISTS', { finisher: name });
  }
}

function viewOf(row: FinisherRow): Omit<FinisherView, 'chosenBy'> {
  const { name, digest, bytes, target, on_error, limit_s, created_ms } = row;
  return {
    ...{ name, digest, bytes, isBuiltIn: false, onError: on_error, limitS: limit_s, createdAtMs: created_ms },
    scope: target === null ? 'own program: whatever it does' : `own file, laid at ${target}`,
    ...(target === null ? {} : { to: target }),
  };
}

/** Why this is no finisher. */
function problemOf(bytes: Buffer, to: string | undefined): string | undefined {
  if (bytes.length === 0) return 'the file is empty';
  if (bytes.length > MAX_FINISHER_BYTES) return `the file has more than ${MAX_FINISHER_BYTES} bytes`;
  if (to !== undefined) {
    const isSafe = to !== '' && !to.startsWith('/') && !to.split('/').includes('..') && !/[\0\\]/.test(to);
    return isSafe ? undefined : `--to ${to} is not a path below the root of the target, like etc/motd`;
  }
  return whyNoProgram(bytes);
}

function digestOf(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}
