/** Tests of the virtual network one after another: they share two cores, and measure time-outs. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';

/** Why lab tests cannot run here; undefined when they can. Give it to a test as `skip`. */
export const noLab: string | false = process.getuid?.() === 0 ? false : 'the virtual network needs root: sudo npm test';

/** Waits until no other test file has the turn, and gives it back when the test has ended. */
export async function takeLabTurn(t: TestContext): Promise<void> {
  const holder = spawn('flock', [join(tmpdir(), 'fleetcast-lab-turn'), 'cat'], { stdio: ['pipe', 'pipe', 'inherit'] });
  const ended = once(holder, 'exit');
  t.after(async () => {
    holder.stdin.end();
    await ended;
  });
  // cat answers as soon as flock has let it start.
  holder.stdin.write('mine\n');
  await Promise.race([
    once(holder.stdout, 'data'),
    ended.then(([code]) => Promise.reject(new Error(`flock ended with ${code}`))),
  ]);
}
