/** One member of a software mirror, started alone (mdadm(8)). md notes in its superblock that the others are missing. */
import { existsSync, readFileSync } from 'node:fs';
import { run } from '#system/run.ts';

/** Numbers from which a name is chosen: mdadm(8) itself takes these when nobody says which. */
const LAST_NUMBER = 127;

/** Runs `use` with the node of the array, which is stopped afterwards. Throws PROGRAM_FAILED, PROGRAM_MISSING. */
export async function withMirror<T>(member: string, use: (node: string) => Promise<T>): Promise<T> {
  const node = freeNode();
  await run(assembleArgv(node, member));
  try {
    return await use(node);
  } finally {
    await run(['mdadm', '--stop', node]);
  }
}

/** `--run`: the other half is on another disk. No file says which arrays this machine has. */
function assembleArgv(node: string, member: string): string[] {
  return ['mdadm', '--assemble', node, '--config=none', '--run', member];
}

/** Whether this kernel has what starts mirrors: known once one was to be started. */
export function hasMirrors(): boolean {
  return existsSync('/proc/mdstat') && /^Personalities :.*\[raid1\]/m.test(readFileSync('/proc/mdstat', 'utf8'));
}

function freeNode(): string {
  let number = LAST_NUMBER;
  while (number > 0 && existsSync(`/sys/block/md${number}`)) number--;
  return `/dev/md${number}`;
}
