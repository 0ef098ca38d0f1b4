/**
 * crypttab(5) for the time in which an initramfs is built in a chroot. cryptsetup's hook for initramfs-tools puts those containers into it that
 * it finds open under their names; here they are not, and without them the machine would not ask for its passphrase. The option `initramfs`
 * (Debian, crypttab(5)) tells it to.
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { run } from '#system/run.ts';
import type { RootFolder } from './root-folder.ts';

const CRYPTTAB = 'etc/crypttab';
const UMOUNT_LIMIT_MS = 60_000;

/** The table with that option for the containers of these UUIDs; undefined: it does not name them all by UUID. Pure. */
export function forInitramfs(crypttab: string, uuids: readonly string[]): string | undefined {
  const missing = new Set(uuids.map((uuid) => uuid.toLowerCase()));
  const lines = crypttab.split('\n').map((line) => {
    const [name = '', source = '', key = 'none', options = ''] = line.trim().split(/\s+/);
    const uuid = /^UUID="?([^"]*)"?$/.exec(source)?.[1]?.toLowerCase();
    if (name.startsWith('#') || uuid === undefined || !missing.delete(uuid)) return line;
    const all = options.split(',').filter((option) => option !== '' && option !== 'initramfs');
    return [name, source, key, [...all, 'initramfs'].join(',')].join(' ');
  });
  return missing.size === 0 ? lines.join('\n') : undefined;
}

/** Runs `use` with such a table in its place. The file itself stays as it is. Throws an Error when it does not name the containers, PROGRAM_FAILED. */
export async function whileForInitramfs(
  root: RootFolder,
  uuids: readonly string[],
  use: () => Promise<void>,
): Promise<void> {
  if (uuids.length === 0) return use();
  const table = forInitramfs((await root.read(CRYPTTAB)) ?? '', uuids);
  if (table === undefined) {
    throw new Error(`its /${CRYPTTAB} does not name the LUKS containers by UUID: rebuild it on the machine`);
  }
  const path = await root.resolve(CRYPTTAB);
  const folder = await mkdtemp(join(tmpdir(), 'fleetcast-crypttab-'));
  try {
    await writeFile(join(folder, 'crypttab'), table);
    await run(['mount', '--bind', join(folder, 'crypttab'), path]);
    try {
      await use();
    } finally {
      await run(['umount', path], { limitMs: UMOUNT_LIMIT_MS });
    }
  } finally {
    await rm(folder, { recursive: true });
  }
}
