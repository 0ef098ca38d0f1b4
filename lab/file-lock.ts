/** A lock that programs of one machine take in turns: flock(2) on a file. It is let go when its holder ends, however it ends. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';

/** Waits until nobody else has the lock; `together`: nobody who took it alone. Gives what lets it go. */
export async function takeLock(path: string, how: 'alone' | 'together' = 'alone'): Promise<() => Promise<void>> {
  // Its own process group: a Ctrl-C in the terminal must not let the lock go before the work under it has ended.
  const holder = spawn('flock', [how === 'alone' ? '--exclusive' : '--shared', path, 'cat'], {
    stdio: ['pipe', 'pipe', 'inherit'],
    detached: true,
  });
  const ended = once(holder, 'exit');
  // cat answers as soon as flock has let it start.
  holder.stdin.write('mine\n');
  await Promise.race([
    once(holder.stdout, 'data'),
    ended.then(([code]) => Promise.reject(new Error(`flock ended with ${code}`))),
  ]);
  return async () => {
    holder.stdin.end();
    await ended;
  };
}
