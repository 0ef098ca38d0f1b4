/** The root folder of the Debian of test systems: its packages, installed here, and what makes it speak at the end of a boot. */
import { mkdirSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { architectures } from '#pxe-assets/architecture.ts';
import { installDebian } from '#pxe-assets/debian-root.ts';
import { run } from '#system/run.ts';

const DEBIAN_PACKAGES: readonly string[] = [
  ...['linux-image-cloud-amd64', 'systemd-sysv', 'udev', 'kmod', 'initramfs-tools', 'zstd'],
  ...['cryptsetup-initramfs', 'lvm2', 'btrfs-progs', 'e2fsprogs', 'dosfstools'],
  ...['grub-pc-bin', 'grub-efi-amd64-bin', 'grub-efi-amd64-signed', 'shim-signed', 'grub2-common', 'efibootmgr'],
];

/** What it calls itself before a finisher has given it a name. */
const DEBIAN_NAME = 'golden-debian';

/** Its words at the end of a boot. */
export interface DebianWords {
  readonly hostname: string;
  /** Type of the root filesystem, and its size in bytes. */
  readonly filesystem: string;
  readonly rootBytes: number;
  readonly swapBytes: number;
  readonly firmware: string;
  /** Name of the boot entry that the firmware took; empty under BIOS. */
  readonly entry: string;
  /** Units of systemd that have failed: a line with the name of each, then the lines of its journal. */
  readonly failed: readonly string[];
  /** Files of its packages, of those below 128 KiB, that are not what they were. */
  readonly damaged: readonly string[];
}

const WORD = 'FC-DEBIAN-OK';
const FAILED = 'FC-DEBIAN-FAILED';
const SUMS = 'usr/local/share/installed.sha256';

/** The lines, said again by `readDebianWords`; in the shell of Debian. Then it is off. */
const SPEAKER = `#!/bin/sh
list() { tr -s ' \\n' ',' | sed 's/^,//; s/,$//'; }
for unit in $(systemctl list-units --state=failed --plain --no-legend | cut -d ' ' -f 1); do
  { echo "$unit"; journalctl --boot --unit "$unit" --output cat --lines 20 --no-pager; } | sed 's/^/${FAILED} /' >/dev/console
done
damaged=$(cd / && sha256sum --check --quiet ${SUMS} 2>/dev/null | cut -d : -f 1 | list)
root=$(findmnt --noheadings --bytes --output FSTYPE,SIZE / | awk '{ print "fs=" $1, "root=" $2 }')
swap=$(swapon --show=SIZE --noheadings --bytes | awk '{ sum += $1 } END { print sum + 0 }')
firmware=bios; [ -d /sys/firmware/efi ] && firmware=uefi
current=$(efibootmgr 2>/dev/null | sed -n 's/^BootCurrent: //p')
entry=$(efibootmgr 2>/dev/null | grep "^Boot$current" | cut -f 1 | cut -d ' ' -f 2- | tr ' ' _)
echo "${WORD} hostname=$(hostname) $root swap=$swap firmware=$firmware entry=$entry damaged=$damaged" >/dev/console
systemctl --no-block poweroff
`;

const SPEAKER_UNIT = `[Unit]
Description=Says what this system is and found, and switches it off
After=multi-user.target

[Service]
Type=oneshot
ExecStart=/usr/local/sbin/speak

[Install]
WantedBy=speak.target
`;

/** The last of all targets, so that nothing is left to fail behind the unit. */
const SPEAKER_TARGET = `[Unit]
Description=All is up and said
Requires=multi-user.target
After=multi-user.target
AllowIsolate=yes
`;

/**
 * Debian 13 mounts /run/lock with no order to the programs of LVM that run beside it and lock in /run/lock/lvm. Where the mount falls between
 * their look at that folder and their first lock, they end with 5 and `/run/lock/lvm/P_global:aux: open failed: No such file or directory`
 * (strace, with the mount made in between), and lvm2-monitor.service has failed.
 */
const RUN_LOCK_ORDER = `[Unit]
Before=lvm2-monitor.service systemd-udevd.service
`;

const files: Readonly<Record<string, string>> = {
  'etc/hostname': `${DEBIAN_NAME}\n`,
  'etc/hosts': `127.0.0.1\tlocalhost\n127.0.1.1\t${DEBIAN_NAME}.lab.example\t${DEBIAN_NAME}\n`,
  'etc/systemd/system/speak.service': SPEAKER_UNIT,
  'etc/systemd/system/speak.target': SPEAKER_TARGET,
  'etc/systemd/system/run-lock.mount.d/before-lvm.conf': RUN_LOCK_ORDER,
  'etc/default/grub': [
    'GRUB_DEFAULT=0',
    'GRUB_TIMEOUT=0',
    'GRUB_DISTRIBUTOR=Debian',
    'GRUB_CMDLINE_LINUX_DEFAULT="quiet"',
    'GRUB_CMDLINE_LINUX="console=ttyS0 no_timer_check panic=-1"',
    'GRUB_TERMINAL=serial',
    '',
  ].join('\n'),
};

/** Of the LUKS container that the system on LVM in LUKS opens. */
export const LUKS_UUID = '6d3b1a52-0c1e-4f4d-9a51-52f04d9a7c11';

/**
 * What that system has besides. Debian's installer does not need the option `initramfs`: it builds the initramfs where the container is open.
 * Here it is built before there is one, as a shell under software emulation takes minutes for it.
 */
const luksFiles: Readonly<Record<string, string>> = {
  'etc/crypttab': `vda4_crypt UUID=${LUKS_UUID} none luks,discard,initramfs\n`,
  'etc/initramfs-tools/conf.d/resume': 'RESUME=/dev/mapper/lab--vg-swap_1\n',
};
/** Of the archive: an initramfs with these files in it, beside that of the packages. */
export const LUKS_INITRD = 'boot/initrd-for-luks';

/** What decides what it is, for a cache. */
export const DEBIAN_ROOT_RECIPE = [DEBIAN_PACKAGES, SPEAKER, files, luksFiles]
  .map((part) => JSON.stringify(part))
  .join();

/** Makes a tar archive of the root, with the files for LUKS. Throws BOOT_NO_MIRROR, BOOT_BUILD_FAILED, PROGRAM_FAILED. */
export async function makeDebianArchive(archive: string, workDir: string): Promise<void> {
  try {
    const root = join(workDir, 'root');
    mkdirSync(workDir, { recursive: true });
    await installDebian(root, {
      architecture: architectures.amd64,
      components: ['main'],
      packages: DEBIAN_PACKAGES,
      mirror: undefined,
    });
    const place = (name: string, text: string, mode = 0o644) => {
      mkdirSync(dirname(join(root, name)), { recursive: true });
      writeFileSync(join(root, name), text, { mode });
    };
    for (const [name, text] of Object.entries(files)) place(name, text);
    place('usr/local/sbin/speak', SPEAKER, 0o755);
    const units = join(root, 'etc/systemd/system');
    mkdirSync(join(units, 'speak.target.wants'));
    symlinkSync('../speak.service', join(units, 'speak.target.wants/speak.service'));
    symlinkSync('speak.target', join(units, 'default.target'));
    const listed = ['find', 'usr', '-xdev', '-type', 'f', '-size', '-128k', '-exec', 'sha256sum', '{}', '+'];
    place(SUMS, (await run(listed, { cwd: root })).stdout);
    for (const [name, text] of Object.entries(luksFiles)) place(name, text);
    const [kernel] = readdirSync(join(root, 'usr/lib/modules')) as [string];
    const inRoot = ['unshare', '--fork', '--pid', '--root', root, '--mount-proc'];
    await run([...inRoot, '/usr/sbin/mkinitramfs', '-o', `/${LUKS_INITRD}`, kernel], { limitMs: 300_000 });
    await run(['tar', '-C', root, '--one-file-system', '-cf', archive, '.'], { limitMs: 120_000 });
  } finally {
    rmSync(workDir, { recursive: true, force: true });
  }
}

/** The last such line on a console, and what is said before it of units that have failed. Pure. */
export function readDebianWords(text: string): DebianWords | undefined {
  const lines = text.split(/\r?\n/);
  const line = lines.findLast((one) => one.includes(`${WORD} `));
  if (line === undefined) return undefined;
  const value = (name: string) => new RegExp(` ${name}=(\\S*)`).exec(line)?.[1] ?? '';
  return {
    ...{ hostname: value('hostname'), filesystem: value('fs'), firmware: value('firmware') },
    entry: value('entry'),
    ...{ rootBytes: Number(value('root')), swapBytes: Number(value('swap')) },
    failed: lines.flatMap((one) => one.split(`${FAILED} `).slice(1)),
    damaged: value('damaged').split(',').filter(Boolean),
  };
}
