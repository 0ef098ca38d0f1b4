/**
 * Builds the initramfs anew, by the system's own program in a chroot: one that holds only the drivers of the captured machine does not find
 * the disk of another one.
 */
import { join } from 'node:path';
import { run } from '#system/run.ts';
import { onLinux } from './finisher.ts';
import type { RootFolder } from './root-folder.ts';

/** What the program looks at: devices, kernel, modules. */
const BOUND = ['dev', 'proc', 'sys'] as const;
const UMOUNT_LIMIT_MS = 60_000;

/** Of Debian and Ubuntu; Fedora, openSUSE and Red Hat; Arch. */
const builders: readonly { readonly program: string; readonly args: readonly string[] }[] = [
  { program: 'usr/sbin/update-initramfs', args: ['-u', '-k', 'all'] },
  { program: 'usr/bin/dracut', args: ['--force', '--regenerate-all'] },
  { program: 'usr/bin/mkinitcpio', args: ['-P'] },
];

export const rebuildInitramfs = onLinux(async (root, { signal, say }) => {
  if (hasOwnBoot((await root.read('etc/fstab')) ?? '')) {
    throw new Error('its /boot is a filesystem of its own, which is not mounted here: rebuild it on the machine');
  }
  const builder = await findBuilder(root);
  if (builder === undefined) throw new Error('it has neither update-initramfs nor dracut nor mkinitcpio');
  const bound: string[] = [];
  try {
    for (const name of BOUND) {
      const folder = join(root.path, name);
      if ((await root.resolve(name)) !== folder || !(await root.exists(name)))
        throw new Error(`it has no folder /${name}`);
      await run(['mount', '--bind', `/${name}`, folder], { signal });
      bound.push(folder);
    }
    const { stdout } = await run(['chroot', root.path, `/${builder.program}`, ...builder.args], {
      signal,
      limitMs: 3600_000,
    });
    for (const line of stdout.split('\n').filter((text) => text.trim() !== '')) say(line);
    say(`${builder.program} has built it anew`);
  } finally {
    for (const folder of bound.reverse()) await run(['umount', folder], { limitMs: UMOUNT_LIMIT_MS });
  }
});

/** Whether fstab(5) mounts something at /boot. Pure. */
export function hasOwnBoot(fstab: string): boolean {
  return fstab.split('\n').some((line) => !/^\s*#/.test(line) && /^\/boot\/?$/.test(line.trim().split(/\s+/)[1] ?? ''));
}

async function findBuilder(root: RootFolder) {
  for (const builder of builders) if (await root.exists(builder.program)) return builder;
  return undefined;
}
