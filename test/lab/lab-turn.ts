/** Tests of the virtual network one after another: they share two cores, and measure time-outs. */
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { takeLock } from '#lab/file-lock.ts';

const TURN = join(tmpdir(), 'fleetcast-lab-turn');

/** Why lab tests cannot run here; undefined when they can. Give it to a test as `skip`. */
export const noLab: string | false = process.getuid?.() === 0 ? false : 'the virtual network needs root: sudo npm test';

/** Waits until no other test file has the turn, and gives it back when the test has ended. */
export async function takeLabTurn(t: TestContext): Promise<void> {
  t.after(await takeLock(TURN));
}

/** The same, but beside other workbenches: each is one machine with one processor, and measures nothing. */
export async function takeWorkbenchTurn(t: TestContext): Promise<void> {
  t.after(await takeLock(TURN, 'together'));
}
