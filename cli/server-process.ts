/** The server's program, run by the CLI: in its own place, or asked for lines. */
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { execa } from 'execa';
import { readErrorBody } from '#protocol/errors.ts';
import { programFailed } from '#system/run.ts';

const MAIN = fileURLToPath(new URL('../server/main.ts', import.meta.url));

/** Turns this process into the server's program: same process id, same signals, same exit code. Does not return. */
export function becomeServer(args: readonly string[]): never {
  const { execve } = process;
  if (execve === undefined) throw new Error('this Node cannot replace its process (process.execve)');
  // execve(2): nothing is left between a service manager and the daemon.
  execve.call(process, process.execPath, [process.execPath, MAIN, ...args], process.env);
  throw new Error('execve returned');
}

/** Runs it, and gives what it prints, line by line. Throws the KnownError that it ended with, and PROGRAM_FAILED. */
export async function* askServer(args: readonly string[]): AsyncGenerator<string> {
  const child = execa(process.execPath, [MAIN, ...args], { stdin: 'ignore', reject: false, buffer: { stdout: false } });
  let isRead = false;
  try {
    yield* createInterface({ input: child.stdout });
    isRead = true;
  } finally {
    if (!isRead) child.kill();
  }
  const { exitCode, stderr } = await child;
  if (exitCode === 0) return;
  throw errorIn(stderr) ?? programFailed(['server/main.ts', ...args], `exit code ${exitCode ?? 'none'}`, stderr);
}

function errorIn(stderr: string): Error | undefined {
  try {
    return readErrorBody((JSON.parse(stderr.trim().split('\n').at(-1) ?? '') as { error?: unknown }).error);
  } catch {
    return undefined;
  }
}
