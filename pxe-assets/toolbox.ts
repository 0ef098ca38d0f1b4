/**
 * What the agent may need on a host beyond receiving an image, and why: the one list of the programs, files and kernel modules
 * for filesystems, volumes, boot loaders and identities. Read by recipe.ts; docs/agent-image.md tells it to people.
 */

export interface Tool {
  readonly why: string;
  /** Debian packages that bring it. */
  readonly packages?: readonly string[];
  /** Programs by name, looked for in usr/bin and usr/sbin, or a path. A name ending in * is a pattern. */
  readonly programs?: readonly string[];
  /** Files and folders that are copied as they are, by path. */
  readonly files?: readonly string[];
  /** Kernel modules; what they need comes along. */
  readonly modules?: readonly string[];
  /** The processors that it exists for. Default: all. */
  readonly only?: 'amd64';
}

export const toolbox: readonly Tool[] = [
  {
    why: 'used blocks of every filesystem that Debian knows',
    packages: ['partclone'],
    programs: ['partclone.*'],
  },
  {
    why: 'partition tables, what lies on a disk, emptying and discarding it, files as disks',
    packages: ['util-linux', 'mount', 'fdisk', 'gdisk'],
    programs: [
      ...['sfdisk', 'sgdisk', 'partx', 'blkid', 'lsblk', 'blockdev', 'blkdiscard', 'wipefs', 'fstrim', 'losetup'],
      ...['mount', 'umount', 'findmnt', 'mountpoint', 'mkswap', 'swaplabel', 'setpriv', 'choom', 'flock', 'fallocate'],
    ],
    modules: ['loop', 'zram'],
  },
  {
    why: 'ext2, ext3, ext4: check, grow, shrink, renew the UUID',
    packages: ['e2fsprogs'],
    programs: ['e2fsck', 'resize2fs', 'tune2fs', 'dumpe2fs', 'e2label', 'debugfs', 'mke2fs', 'mkfs.ext*'],
    files: ['etc/mke2fs.conf'],
    modules: ['ext4'],
  },
  {
    why: 'NTFS: check, grow, shrink, boot geometry, files of Windows (unattend.xml, registry)',
    packages: ['ntfs-3g'],
    programs: [
      'ntfsresize',
      'ntfsfix',
      'ntfs-3g',
      'ntfs-3g.probe',
      'ntfslabel',
      'ntfsinfo',
      'ntfscluster',
      'ntfsls',
      'ntfscat',
      'mkntfs',
    ],
    modules: ['fuse', 'ntfs3'],
  },
  {
    why: 'FAT and exFAT: check, grow and shrink (parted has given that up, fatresize keeps its code), labels',
    packages: ['dosfstools', 'fatresize', 'exfatprogs'],
    programs: ['fsck.fat', 'fatlabel', 'mkfs.fat', 'fatresize', 'fsck.exfat', 'tune.exfat', 'dump.exfat', 'mkfs.exfat'],
    modules: ['vfat', 'exfat', 'nls_cp437', 'nls_cp850', 'nls_ascii', 'nls_iso8859-1', 'nls_utf8'],
  },
  {
    why: 'XFS: check (and its log, before its map is believed), grow, renew the UUID (xfs_admin is a script around xfs_db); make anew, as it cannot shrink',
    packages: ['xfsprogs'],
    programs: ['xfs_repair', 'xfs_logprint', 'xfs_growfs', 'xfs_admin', 'xfs_db', 'xfs_io', 'mkfs.xfs'],
    modules: ['xfs'],
  },
  {
    why: 'Btrfs: check, grow, shrink, renew the UUID',
    packages: ['btrfs-progs'],
    programs: ['btrfs', 'btrfstune', 'mkfs.btrfs'],
    modules: ['btrfs'],
  },
  {
    why: 'F2FS: check, grow',
    packages: ['f2fs-tools'],
    programs: ['fsck.f2fs', 'resize.f2fs', 'f2fslabel', 'mkfs.f2fs'],
    modules: ['f2fs'],
  },
  {
    why: 'other filesystems that partclone knows: to look at their files after a restore',
    modules: ['hfsplus', 'jfs', 'nilfs2', 'minix', 'reiserfs', 'ufs', 'isofs'],
  },
  {
    why: 'LVM: volume groups, thin pools (thin_check decides whether one is activated), snapshots',
    packages: ['lvm2', 'dmsetup', 'thin-provisioning-tools'],
    programs: ['lvm', 'lv*', 'vg*', 'pv*', 'dmsetup', 'pdata_tools', 'thin_*'],
    modules: ['dm-mod', 'dm-thin-pool', 'dm-snapshot', 'dm-mirror', 'dm-raid', 'dm-zero'],
  },
  {
    why: 'LUKS: open and make, with the ciphers that it may have been made with',
    packages: ['cryptsetup-bin'],
    programs: ['cryptsetup'],
    modules: [
      ...[
        'dm-crypt',
        'dm-integrity',
        'xts',
        'essiv',
        'lrw',
        'adiantum',
        'twofish_generic',
        'serpent_generic',
        'blake2b_generic',
      ],
      ...['algif_skcipher', 'algif_hash', 'algif_aead'],
    ],
  },
  {
    why: "this processor's own instructions for those ciphers and hashes",
    only: 'amd64',
    modules: ['aesni-intel', 'sha256-ssse3', 'sha512-ssse3', 'sha1-ssse3', 'crc32c-intel', 'crc32-pclmul'],
  },
  {
    why: 'Linux software RAID',
    packages: ['mdadm'],
    programs: ['mdadm'],
    modules: ['raid0', 'raid1', 'raid10', 'raid456'],
  },
  {
    why: 'GRUB for BIOS, when the layout has moved; chroot (busybox) runs the one of the restored system',
    packages: ['grub-pc-bin', 'grub2-common', 'grub-common'],
    programs: ['grub-install', 'grub-mkimage', 'grub-probe', 'grub-editenv', 'usr/lib/grub/i386-pc/grub-bios-setup'],
    files: ['usr/lib/grub/i386-pc'],
    only: 'amd64',
  },
  {
    why: 'SYSLINUX and EXTLINUX for BIOS; syslinux(1) writes through mtools',
    packages: ['syslinux', 'extlinux', 'syslinux-common', 'mtools'],
    programs: ['syslinux', 'extlinux', 'mtools', 'mcopy', 'mattrib', 'mmove'],
    files: [
      ...[
        'usr/lib/syslinux/mbr/mbr.bin',
        'usr/lib/syslinux/mbr/gptmbr.bin',
        'usr/lib/syslinux/modules/bios/ldlinux.c32',
      ],
      ...['usr/lib/SYSLINUX', 'usr/lib/EXTLINUX'],
    ],
    only: 'amd64',
  },
  {
    why: 'entries in the boot order of UEFI',
    packages: ['efibootmgr'],
    programs: ['efibootmgr'],
    modules: ['efivarfs'],
  },
  {
    why: 'the registry of Windows, offline: hivexsh reads and sets values, reged imports .reg files',
    packages: ['libhivex-bin', 'chntpw'],
    programs: ['hivexsh', 'reged'],
  },
  {
    why: 'names and values of the registry are UTF-16 and Latin-1: hivexsh converts them by the modules of the C library',
    files: ['gconv-modules', 'UTF-16.so', 'ISO8859-1.so'].map((name) => `usr/lib/x86_64-linux-gnu/gconv/${name}`),
    only: 'amd64',
  },
  {
    why: 'secure erase and details of NVMe and ATA disks',
    packages: ['nvme-cli', 'hdparm'],
    programs: ['nvme', 'hdparm'],
  },
];

/** Commands of busybox that own finishers and a person at the machine expect, where no fuller program of that name is there. */
export const busyboxCommands: readonly string[] = [
  ...[
    'sh',
    'ash',
    'awk',
    'basename',
    'cat',
    'chmod',
    'chown',
    'chroot',
    'cmp',
    'cp',
    'cpio',
    'cut',
    'date',
    'dd',
    'df',
    'diff',
  ],
  ...[
    'dirname',
    'dmesg',
    'du',
    'echo',
    'env',
    'expr',
    'false',
    'find',
    'free',
    'fsfreeze',
    'grep',
    'gunzip',
    'gzip',
    'head',
  ],
  ...[
    'hexdump',
    'hostname',
    'id',
    'kill',
    'less',
    'ln',
    'ls',
    'lsmod',
    'md5sum',
    'mkdir',
    'mkfifo',
    'mknod',
    'mktemp',
    'more',
  ],
  ...['mv', 'nproc', 'od', 'ping', 'poweroff', 'printf', 'ps', 'pwd', 'readlink', 'realpath', 'reboot', 'rm'],
  ...[
    'rmdir',
    'sed',
    'seq',
    'setsid',
    'sha256sum',
    'sleep',
    'sort',
    'stat',
    'strings',
    'stty',
    'swapoff',
    'swapon',
    'sync',
  ],
  ...[
    'tail',
    'tar',
    'tee',
    'test',
    'timeout',
    'top',
    'touch',
    'tr',
    'true',
    'truncate',
    'uname',
    'uniq',
    'unshare',
    'unxz',
  ],
  ...['vi', 'wc', 'wget', 'which', 'xargs', 'xxd', 'xz', 'xzcat', 'yes', 'zcat'],
];
