/** Turns this process into the server's program: same process id, same signals, same exit code. */
import { fileURLToPath } from 'node:url';

/** Does not return. execve(2): nothing is left between a service manager and the daemon. */
export function becomeServer(args: readonly string[]): never {
  const main = fileURLToPath(new URL('../server/main.ts', import.meta.url));
  const { execve } = process;
  if (execve === undefined) throw new Error('this Node cannot replace its process (process.execve)');
  execve.call(process, process.execPath, [process.execPath, main, ...args], process.env);
  throw new Error('execve returned');
}
