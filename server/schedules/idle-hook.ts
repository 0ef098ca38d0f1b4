/** Asks a program of the admin whether a host is idle. Only programs of one folder are run: the API names them, and no path. */
import { realpath, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { NAME_PATTERN } from '#protocol/admin/name.ts';
import { KnownError, knownError } from '#protocol/errors.ts';
import { run } from '#system/run.ts';

export interface HookHost {
  readonly name: string;
  /** Last known IPv4 address; empty: not known. */
  readonly address: string;
  readonly mac: string;
}

export interface HookOptions {
  readonly folder: string;
  readonly hook: string;
  readonly limitMs: number;
  readonly signal: AbortSignal;
}

/** Hooks that run at the same time: forty hosts that do not answer take five times the limit, not forty. */
const AT_ONCE = 8;
/** Of what a hook says, in characters. */
const MOST_SAID = 100;
/** Every way to exit is an answer. */
const ANY_CODE = Array.from({ length: 256 }, (_, code) => code);

/**
 * The path of a hook that may be run: in the folder, executable, and writable by nobody but root or this user.
 * Throws HOOK_MISSING.
 */
export async function findHook(folder: string, hook: string): Promise<string> {
  const refuse = (problem: string, cause?: unknown) => knownError('HOOK_MISSING', { hook, folder, problem }, { cause });
  if (!new RegExp(NAME_PATTERN).test(hook)) throw refuse('that is not a name of a program');
  let path: string;
  try {
    path = await realpath(join(folder, hook));
    if (path !== join(await realpath(folder), hook)) throw refuse('it is a link to somewhere else');
    for (const place of [folder, path]) {
      const { mode, uid } = await stat(place);
      if ((mode & 0o022) !== 0) throw refuse(`others may write ${place}`);
      if (uid !== 0 && uid !== process.getuid?.()) throw refuse(`${place} belongs to another user`);
    }
    const file = await stat(path);
    if (!file.isFile() || (file.mode & 0o111) === 0) throw refuse('it is not an executable file');
  } catch (error) {
    if (error instanceof KnownError) throw error;
    throw refuse((error as NodeJS.ErrnoException).code === 'ENOENT' ? 'no such file' : (error as Error).message, error);
  }
  return path;
}

/** Why each host that is not idle is not, by name. Throws HOOK_MISSING; AbortError when the signal fires. */
export async function askIdle(hosts: readonly HookHost[], options: HookOptions): Promise<Map<string, string>> {
  const path = await findHook(options.folder, options.hook);
  const busy = new Map<string, string>();
  const waiting = [...hosts];
  const ask = async () => {
    for (let host = waiting.shift(); host !== undefined; host = waiting.shift()) {
      const reason = await askOne(path, host, options);
      if (reason !== undefined) busy.set(host.name, reason);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, ask));
  return busy;
}

/** undefined: idle. A hook that fails or does not answer protects its host. */
async function askOne(
  path: string,
  host: HookHost,
  { hook, limitMs, signal }: HookOptions,
): Promise<string | undefined> {
  try {
    const argv = [path, host.name, host.address, host.mac];
    const { exitCode, stdout, stderr } = await run(argv, { limitMs, signal, okCodes: ANY_CODE });
    if (exitCode === 0) return undefined;
    const said = (stdout.trim() || stderr.trim()).split('\n')[0]!.slice(0, MOST_SAID);
    return said === '' ? `it is in use, says ${hook}` : `it is in use: ${said}`;
  } catch (error) {
    signal.throwIfAborted();
    return `${hook} gave no answer: ${(error as Error).message}`;
  }
}
