import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readAtaSecurity } from '#agent/wipe/ata-erase.ts';
import { warningOf } from '#agent/wipe/eraser-choice.ts';
import { formatArgv, whyNoFormat } from '#agent/wipe/nvme-format.ts';
import { knownError } from '#protocol/errors.ts';

/** Seen on an Intel SSD (hdparm -I). */
const FROZEN = `Security: 
\tMaster password revision code = 65534
\t\tsupported
\tnot\tenabled
\tnot\tlocked
\t\tfrozen
\tnot\texpired: security count
\t\tsupported: enhanced erase
\t4min for SECURITY ERASE UNIT. 2min for ENHANCED SECURITY ERASE UNIT.
`;
/** Seen on a WDC WD4003FZEX, with the sections around it. */
const READY = `Commands/features:
\tEnabled\tSupported:
\t   *\tSMART Command Transport (SCT) feature set
Security: 
\tMaster password revision code = 65534
\t\tsupported
\tnot\tenabled
\tnot\tlocked
\tnot\tfrozen
\tnot\texpired: security count
\t\tsupported: enhanced erase
\t424min for SECURITY ERASE UNIT. 424min for ENHANCED SECURITY ERASE UNIT. 
Logical Unit WWN Device Identifier: 50014ee0593d4632
Checksum: correct
`;

test('a frozen ATA disk is known as such, and how long its erase would take', () => {
  const flags = { isSupported: true, isEnabled: false, isLocked: false };
  assert.deepEqual(readAtaSecurity(FROZEN), { ...flags, isFrozen: true, minutes: 4 });
  assert.deepEqual(readAtaSecurity(READY), { ...flags, isFrozen: false, minutes: 424 });
});

test('a disk without the security feature set, or with a password, is known as such', () => {
  assert.equal(readAtaSecurity('Commands/features:\n\tEnabled\tSupported:\n'), undefined);
  assert.equal(readAtaSecurity(READY.replace('\t\tsupported\n', '\tnot\tsupported\n'))?.isSupported, false);
  const locked = readAtaSecurity(READY.replace('not\tenabled', '\tenabled').replace('not\tlocked', '\tlocked'));
  assert.deepEqual([locked?.isEnabled, locked?.isLocked], [true, true]);
});

test('an NVMe disk is formatted only when it takes the command and no other namespace would be lost', () => {
  // As nvme-cli 2 says of QEMU's NVMe disk.
  assert.equal(whyNoFormat({ oacs: 266, nn: 256, fna: 0 }), undefined);
  assert.equal(whyNoFormat({ oacs: 0x17, fna: 0b101, nn: 1 }), undefined);
  assert.match(whyNoFormat({ oacs: 0x15, fna: 0, nn: 1 })!, /does not take/);
  assert.match(whyNoFormat({ oacs: 0x17, fna: 0b10, nn: 2 })!, /other namespaces/);
  assert.deepEqual(formatArgv('/dev/nvme0n1').slice(0, 5), ['nvme', 'format', '/dev/nvme0n1', '--ses=1', '--force']);
});

test('a disk that could erase itself and is frozen is told when it gets zeros instead, one that cannot is no news', () => {
  const frozen = warningOf(knownError('DISK_FROZEN', { disk: '/dev/sda WDC W1' }));
  assert.match(
    frozen!,
    /gets zeros instead, .*: the firmware has frozen the security of the disk \/dev\/sda WDC W1.* Put the host to sleep/,
  );
  assert.match(warningOf(knownError('PROGRAM_MISSING', { program: 'hdparm', package: 'hdparm' }))!, /hdparm/);
  assert.equal(warningOf(knownError('WIPE_IMPOSSIBLE', { disk: '/dev/sda', why: 'it does not have it' })), undefined);
});
