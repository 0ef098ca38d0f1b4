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
  /** What else must be there, so that the program is the one that is meant. */
  readonly needs?: string;
  /** Why an initramfs that it builds here may not open LUKS containers; absent: it opens what crypttab(5) says. */
  readonly whyNoLuks?: string;
}

/** What opens a container at boot is said elsewhere than in crypttab(5), and an initramfs that opens none does not boot (dracut 059, 90crypt). */
const DRACUT_LUKS =
  'of dracut opens the LUKS containers that the kernel command line names (rd.luks.uuid), which nobody can check here';
const MKINITCPIO_LUKS =
  'of mkinitcpio opens LUKS containers by its own hooks and the kernel command line, which nobody can check here';

/** Of Debian and Ubuntu; Fedora, openSUSE and Red Hat; Arch. */
const builders: readonly Builder[] = [
  // Beside dracut it may be a wrapper of that, which does not look at crypttab.
  { program: 'usr/sbin/update-initramfs', args: ['-u', '-k', 'all'], needs: 'usr/sbin/mkinitramfs' },
  // It would leave out what the mounted root does not seem to need: a logical volume is a loop device here.
  { program: 'usr/bin/dracut', args: ['--force', '--no-hostonly', '--regenerate-all'], whyNoLuks: DRACUT_LUKS },
  { program: 'usr/bin/mkinitcpio', args: ['-P'], whyNoLuks: MKINITCPIO_LUKS },
];

export const rebuildInitramfs = onLinux(async (root, context) => {
  const builder = await findBuilder(root);
  if (builder === undefined) throw new Error('it has neither update-initramfs nor dracut nor mkinitcpio');
  const uuids = (context.manifest.head.containers ?? []).map(({ uuid }) => uuid);
  if (uuids.length > 0 && builder.whyNoLuks !== undefined) {
    const advice =
      'build one for every machine before the capture, and leave out this finisher (docs/finishers.md, LUKS and dracut)';
    throw new Error(`an initramfs ${builder.whyNoLuks}: ${advice}`);
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
  for (const builder of builders) {
    const { program, needs = program } = builder;
    if ((await root.exists(program)) && (await root.exists(needs))) return builder;
  }
  return undefined;
}
