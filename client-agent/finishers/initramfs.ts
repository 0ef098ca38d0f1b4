/**
 * Builds the initramfs anew, by the system's own program in a chroot: one that holds only the drivers of the captured machine does not find
 * the disk of another one.
 */
import { join } from 'node:path';
import { run } from '#system/run.ts';
import { whileBootMounted } from './boot-folder.ts';
import { whileForInitramfs } from './crypttab.ts';
import { type FinisherContext, onLinux } from './finisher.ts';
import type { RootFolder } from './root-folder.ts';

/** What the program looks at: devices, kernel, modules. */
const BOUND = ['dev', 'proc', 'sys'] as const;
const UMOUNT_LIMIT_MS = 60_000;

interface Builder {
  readonly program: string;
  readonly args: readonly string[];
  /** It takes containers into the initramfs by what crypttab(5) says, and not by what is open while it runs. */
  readonly opensByCrypttab?: true;
}

/** Of Debian and Ubuntu; Fedora, openSUSE and Red Hat; Arch. */
const builders: readonly Builder[] = [
  { program: 'usr/sbin/update-initramfs', args: ['-u', '-k', 'all'], opensByCrypttab: true },
  // It would leave out what the mounted root does not seem to need: a logical volume is a loop device here.
  { program: 'usr/bin/dracut', args: ['--force', '--no-hostonly', '--regenerate-all'] },
  { program: 'usr/bin/mkinitcpio', args: ['-P'] },
];

export const rebuildInitramfs = onLinux(async (root, context) => {
  const builder = await findBuilder(root);
  if (builder === undefined) throw new Error('it has neither update-initramfs nor dracut nor mkinitcpio');
  const uuids = (context.manifest.head.containers ?? []).map(({ uuid }) => uuid);
  if (uuids.length > 0 && !builder.opensByCrypttab) {
    throw new Error(`/${builder.program} looks for LUKS containers that are open: rebuild it on the machine`);
  }
  await whileForInitramfs(root, uuids, () => whileBootMounted(root, context, () => build(root, builder, context)));
});

async function build(root: RootFolder, builder: Builder, { signal, say }: FinisherContext): Promise<void> {
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
}

async function findBuilder(root: RootFolder) {
  for (const builder of builders) if (await root.exists(builder.program)) return builder;
  return undefined;
}
