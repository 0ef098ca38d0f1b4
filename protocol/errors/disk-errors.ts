/** Errors about choosing a disk, and reading, writing and wiping it. */
import type { ErrorTexts } from './error-text.ts';

export const diskErrors = {
  DISK_RULE_INVALID: {
    status: 400,
    message: '{rule} is not a disk rule',
    next: 'Use serial=…, wwn=…, path=…, size=256G, size>100G, transport=nvme, model=Samsung*, order=1 or each, joined with commas',
  },
  DISK_NONE: {
    status: 409,
    message: '{host} has no disk that fits the rule {rule}. Its disks: {disks}',
    next: 'Choose one: --disk serial=…',
  },
  DISK_AMBIGUOUS: {
    status: 409,
    message: '{host} has several disks that fit the rule {rule}: {disks}',
    next: 'Choose one: --disk serial=…',
  },
  DISK_CHOSEN_TWICE: {
    status: 409,
    message: '{host}: two of the rules {rule} choose the same disk, {disk}',
    next: "Give rules that each choose another one: --disk 'serial=…; serial=…'",
  },
  DISKS_UNMAPPED: {
    status: 409,
    message: '{host}: which of its disks takes which of the {count} disks of the image ({sizes}) is not clear: {disks}',
    next: "Give a rule for each, in the order of the image: --disk 'transport=nvme; transport=sata'",
  },
  IMAGE_HAS_DISKS: {
    status: 409,
    message:
      '{image} holds {count} disks ({sizes}), and {misfits} of them do not fit {toBytes} bytes: which is meant is not clear',
    next: 'Say it, in the order of the image: fleetcast image fit {image} --to {to}',
  },
  IMAGE_LACKS_DISK: {
    status: 409,
    message: '{image} has no disk {disk}: it holds {count} ({sizes})',
    next: 'fleetcast image show {image}',
  },
  DISK_RULES_DIFFER: {
    status: 409,
    message: '{host}: its groups set different disk rules: {rules}',
    next: 'Set one for the host: fleetcast host set {host} --disk RULE, or give --disk',
  },
  DISK_IN_USE: {
    status: 409,
    message: '{host}: the disk {disk} is in use: {use}',
    next: 'Unmount or stop what uses it, or reboot the host, and run the command again',
  },
  DISK_READ_ONLY: {
    status: 409,
    message: '{host}: the disk {disk} is read-only',
    next: 'Remove its write protection, or choose another disk: --disk serial=…',
  },
  DISK_FROZEN: {
    status: 409,
    message: '{host}: the firmware has frozen the security of the disk {disk}, so that it cannot erase itself',
    next: 'Put the host to sleep and wake it again, or unplug and plug the disk while it runs, which thaws it; or wipe with --method zeros',
  },
  WIPE_IMPOSSIBLE: {
    status: 409,
    message: '{host}: the disk {disk} cannot be wiped this way: {why}',
    next: 'Wipe it with --method zeros',
  },
  WIPE_NOT_CLEAN: {
    status: 500,
    message: '{host}: after {method} {count} samples of the disk {disk} are not wiped, the first at byte {offset}',
    next: 'Wipe it again with --method zeros; if that fails too, the disk is broken: destroy it',
  },
  DISK_CHANGED: {
    status: 409,
    message: '{host}: the disk of the plan ({expected}) is not there any more. Its disks: {disks}',
    next: 'Make a new plan: run the deploy command again',
  },
  DISK_SECTOR_SIZE: {
    status: 409,
    message: '{host}: the disk {disk} has sectors of {have} bytes, the image was made with {need}',
    next: 'Capture an image from a disk with sectors of {have} bytes; an NVMe disk may offer the other size: nvme id-ns -H {disk}, then nvme format --lbaf=N (erases it)',
  },
  DISK_READ_FAILED: {
    status: 500,
    message: '{host}: reading {disk} at byte {offset} failed: {reason}',
    next: 'Check the disk: smartctl -a {disk}. To capture what can be read: fleetcast capture HOST --as IMAGE --rescue',
  },
  DISK_WRITE_FAILED: {
    status: 500,
    message: '{host}: writing {disk} at byte {offset} failed: {reason}',
    next: 'Check the disk: smartctl -a {disk}',
  },
  CONTAINER_BROKEN: {
    status: 500,
    message: '{host}: the {container} in {where} was laid as in the image and cannot be activated: {reason}',
    next: 'Check it on the machine that was captured (vgck, mdadm --examine), and capture it again. To lay the image unchecked: fleetcast deploy … --verify none',
  },
  VOLUME_DAMAGED: {
    status: 500,
    message: '{host}: the {filesystem} in {where} was laid as in the image and is damaged: {reason}',
    next: 'Check the filesystem on the machine that was captured, and capture it again. To lay the image unchecked: fleetcast deploy … --verify none',
  },
  DISKS_FAILED: {
    status: 500,
    message: '{host}: {count} of {of} disks failed, {rest}: {problems}',
    next: 'Replace what is broken, then run the command again; where every disk takes the same, for that one alone: --disk serial={disk}',
  },
  LAYOUT_UNSUPPORTED: {
    status: 409,
    message: '{disk}: its partition table ({label}) cannot be laid again: {reason}',
    next: 'Look at it on the host: sfdisk --verify {disk}',
  },
  MAP_FAILED: {
    status: 500,
    message: '{disk}: the used blocks of {volume} cannot be read: {reason}',
    next: 'Check the filesystem on the host (fsck) and capture again',
  },
  VERIFY_FAILED: {
    status: 500,
    message: '{host}: {count} chunks on {disk} read back wrong even after {tries} repairs',
    next: 'The disk or its cable is failing: replace it and deploy again',
  },
} as const satisfies ErrorTexts;
