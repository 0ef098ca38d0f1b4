/**
 * A real Debian on a disk, as a file: kernel, systemd, initramfs-tools and GRUB as its packages bring them, on Btrfs or on LVM in LUKS, set up
 * as its installer does it. It boots by BIOS and by UEFI; at the end of its boot it says on the serial console what it is, and
 * switches itself off (debian-root.ts).
 *
 * The disk is made on the workbench, whose kernel has device-mapper and Btrfs. Packages and disks are kept between runs: they are
 * made anew when their recipe here or the lock of the boot assets' packages has changed.
 */
import { createHash } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { LOCK_PATH } from '#pxe-assets/debian-lock.ts';
import { run } from '#system/run.ts';
import { DEBIAN_ROOT_RECIPE, LUKS_INITRD, LUKS_UUID, makeDebianArchive } from './debian-root.ts';
import { takeLock } from './file-lock.ts';
import { runOnWorkbench } from './workbench.ts';

const MIB = 1024 * 1024;
/** Of all trees: what is in it is named after its recipe. */
const CACHE = join(tmpdir(), 'fleetcast-debian-systems');

export const debianKinds = ['btrfs', 'lvm-on-luks'] as const;
export type DebianKind = (typeof debianKinds)[number];

/** Opens the LUKS container. */
export const DEBIAN_PASSPHRASE = 'correct horse battery staple';
export const DEBIAN_DISK_BYTES = 1400 * MIB;

export interface DebianSystemOptions {
  readonly kind: DebianKind;
  /** The file to make. */
  readonly path: string;
  /** Folder of the boot assets. */
  readonly assets: string;
  /** Told of what takes long. */
  say(line: string): void;
}

/** Throws BOOT_NO_MIRROR, BOOT_BUILD_FAILED, PROGRAM_FAILED, and an Error with the words of the workbench. */
export async function buildDebianSystem({ kind, path, assets, say }: DebianSystemOptions): Promise<void> {
  mkdirSync(CACHE, { recursive: true });
  const letGo = await takeLock(join(CACHE, 'lock'));
  try {
    const archive = await readyArchive(say);
    const disk = join(CACHE, `${kind}-${digestOf(archive, scriptFor(kind))}.img`);
    await makeOnce(disk, (made) => {
      say(`putting a Debian on a disk: ${kind}`);
      return makeDisk(made, archive, kind, assets);
    });
    await run(['cp', '--sparse=always', disk, path], { limitMs: 120_000 });
  } finally {
    await letGo();
  }
}

/** A tar archive of its root folder, up to date. Throws BOOT_NO_MIRROR, BOOT_BUILD_FAILED, PROGRAM_FAILED. */
export async function readyDebianArchive(say: (line: string) => void): Promise<string> {
  mkdirSync(CACHE, { recursive: true });
  const letGo = await takeLock(join(CACHE, 'lock'));
  try {
    return await readyArchive(say);
  } finally {
    await letGo();
  }
}

async function readyArchive(say: (line: string) => void): Promise<string> {
  const archive = join(CACHE, `root-${digestOf(DEBIAN_ROOT_RECIPE, readFileSync(LOCK_PATH, 'utf8'))}.tar`);
  await makeOnce(archive, (made) => {
    say('installing the packages of a Debian');
    return makeDebianArchive(made, `${archive}.work`);
  });
  return archive;
}

/** A file is there under its name when it is whole. */
async function makeOnce(path: string, make: (path: string) => Promise<void>): Promise<void> {
  if (existsSync(path)) return;
  dropOthers(path);
  const made = `${path}.new`;
  rmSync(made, { force: true });
  await make(made);
  renameSync(made, path);
}

/** Files of the same kind that were made by a recipe of before. */
function dropOthers(path: string): void {
  const kind = basename(path).replace(/-[^-]*$/, '-');
  for (const name of readdirSync(CACHE)) if (name.startsWith(kind)) rmSync(join(CACHE, name), { recursive: true });
}

function digestOf(...texts: readonly string[]): string {
  return createHash('sha256').update(texts.join('\0')).digest('hex').slice(0, 16);
}

async function makeDisk(path: string, archive: string, kind: DebianKind, assets: string): Promise<void> {
  writeFileSync(path, '');
  truncateSync(path, DEBIAN_DISK_BYTES);
  await run(['sfdisk', '--quiet', path], { input: tables[kind] });
  const workDir = `${path}.work`;
  const { exitCode, output } = await runOnWorkbench({
    ...{ assets, workDir, disks: [path, archive], script: scriptFor(kind), memoryMiB: 1536 },
  });
  if (exitCode !== 0) throw new Error(`a Debian on ${kind} could not be made:\n${output.slice(-3000)}`);
}

const ESP = 'C12A7328-F81F-11D2-BA4B-00A0C93EC93B';
const BIOS_BOOT = '21686148-6449-6E6F-744E-656564454649';
const LINUX = '0FC63DAF-8483-4772-8E79-3D69D8477DE4';
const SWAP = '0657FD6D-A4AB-43C4-84E5-0933C84B4F4F';
const loaderLines = ['label: gpt', `size=40MiB, type=${ESP}, name="EFI"`, `size=1MiB, type=${BIOS_BOOT}`];
/** Input of sfdisk(8). */
const tables: Readonly<Record<DebianKind, string>> = {
  // Swap behind the root: what grows before it must move it.
  btrfs: [...loaderLines, `size=1280MiB, type=${LINUX}, name="root"`, `size=64MiB, type=${SWAP}, name="swap"`, ''].join(
    '\n',
  ),
  'lvm-on-luks': [...loaderLines, `size=160MiB, type=${LINUX}, name="boot"`, `type=${LINUX}, name="crypt"`, ''].join(
    '\n',
  ),
};

/** Makes the filesystems, mounts the root at /target, writes fstab(5) and what else names them. */
const filesystems: Readonly<Record<DebianKind, string>> = {
  btrfs: `
mkfs.btrfs -q -L root /dev/vda3
/usr/sbin/mkswap -q -L swap /dev/vda4
mount -t btrfs /dev/vda3 /target
btrfs -q subvolume create /target/@
btrfs -q subvolume create /target/@home
umount /target
mount -t btrfs -o subvol=@,compress=zstd /dev/vda3 /target
mkdir -p /target/home
mount -t btrfs -o subvol=@home /dev/vda3 /target/home
unpack
root=$(uuid /dev/vda3); swap=$(uuid /dev/vda4)
cat >/target/etc/fstab <<END
UUID=$root / btrfs defaults,subvol=@,compress=zstd 0 0
UUID=$root /home btrfs defaults,subvol=@home 0 0
UUID=$(uuid /dev/vda1) /boot/efi vfat umask=0077 0 1
UUID=$swap none swap sw 0 0
END
rm -r /target/etc/crypttab /target/etc/initramfs-tools/conf.d/resume /target/${LUKS_INITRD}
sed -i "s/console=ttyS0/& resume=UUID=$swap/" /target/etc/default/grub
`,
  'lvm-on-luks': `
# As few rounds as there can be: every boot of a test pays for them, without the instructions of a real processor.
printf '%s' '${DEBIAN_PASSPHRASE}' | cryptsetup luksFormat -q --uuid ${LUKS_UUID} --type luks2 --pbkdf pbkdf2 --pbkdf-force-iterations 1000 /dev/vda4 -
printf '%s' '${DEBIAN_PASSPHRASE}' | cryptsetup open /dev/vda4 vda4_crypt -
lvm vgcreate -qq lab-vg /dev/mapper/vda4_crypt
lvm lvcreate -qq -y -L 64M -n swap_1 lab-vg
lvm lvcreate -qq -y -l 100%FREE -n root lab-vg
/usr/sbin/mke2fs -q -t ext4 /dev/lab-vg/root
/usr/sbin/mke2fs -q -t ext4 /dev/vda3
/usr/sbin/mkswap -q /dev/lab-vg/swap_1
mount -t ext4 /dev/lab-vg/root /target
mkdir -p /target/boot
mount -t ext4 /dev/vda3 /target/boot
unpack
cat >/target/etc/fstab <<END
/dev/mapper/lab--vg-root / ext4 errors=remount-ro 0 1
UUID=$(uuid /dev/vda3) /boot ext4 defaults 0 2
UUID=$(uuid /dev/vda1) /boot/efi vfat umask=0077 0 1
/dev/mapper/lab--vg-swap_1 none swap sw 0 0
END
mv /target/${LUKS_INITRD} /target/boot/initrd.img-*
`,
};

/** grub-install(8) and update-grub(8) ask udev what lies where. No entry in the firmware's memory: there is none here. */
function scriptFor(kind: DebianKind): string {
  return `
set -e
uuid() { blkid -o value -s UUID "$1"; }
unpack() { mkdir -p /target/boot/efi; tar -x -C /target -f /dev/vdb; }
mkdir -p /target
mkfs.fat -F 32 -s 1 /dev/vda1 >/dev/null
${filesystems[kind]}
mount -t vfat /dev/vda1 /target/boot/efi
for folder in dev proc sys run; do mount --bind /$folder /target/$folder; done
in_target() { chroot /target /usr/bin/env PATH=/usr/sbin:/usr/bin SYSTEMD_IGNORE_CHROOT=1 "$@"; }
in_target /usr/lib/systemd/systemd-udevd --daemon
in_target udevadm trigger; in_target udevadm settle
in_target grub-install --target=i386-pc /dev/vda
in_target grub-install --target=x86_64-efi --uefi-secure-boot --no-nvram
in_target update-grub
in_target udevadm control --exit
# udevd ends after it has answered.
for folder in dev proc sys run boot/efi boot home ""; do
  mountpoint -q /target/$folder || continue
  for _ in $(seq 60); do umount /target/$folder 2>/dev/null && break; sleep 1; done
done
! mountpoint -q /target
`;
}
