import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Disk } from '#protocol/disk.ts';
import { chooseDisk, chooseDisks, judgeDisks, parseDiskRule } from '#protocol/disk-rule.ts';
import { KnownError } from '#protocol/errors.ts';

function disk(path: string, fields: Partial<Disk> = {}): Disk {
  return {
    path,
    model: 'Samsung SSD 980',
    serial: `S-${path.slice(5)}`,
    sizeBytes: 256_060_514_304,
    sectorBytes: 512,
    transport: 'nvme',
    removable: false,
    readOnly: false,
    inUse: false,
    content: '',
    ...fields,
  };
}

const nvme = disk('/dev/nvme0n1');
const sata = disk('/dev/sda', {
  transport: 'sata',
  model: 'WDC WD10',
  sizeBytes: 1_000_204_886_016,
  wwn: '0x50014EE2',
});

function refused(code: string, action: () => unknown): KnownError {
  let caught: unknown;
  try {
    action();
  } catch (error) {
    caught = error;
  }
  assert.ok(caught instanceof KnownError);
  assert.equal(caught.code, code);
  return caught;
}

const choices: readonly [rule: string, chosen: Disk][] = [
  ['serial=S-sda', sata],
  ['serial=s-SDA', sata],
  ['wwn=0x50014ee2', sata],
  ['path=/dev/nvme0n1', nvme],
  ['transport=nvme', nvme],
  ['model=wdc', sata],
  ['size=256G', nvme],
  ['size=256GB', nvme],
  ['size=1T', sata],
  ['size=931GiB', sata],
  ['size>500G', sata],
  ['size<500G', nvme],
  ['size>100G,transport=nvme', nvme],
  [' size > 0.5T , model=WD10 ', sata],
  ['order=1', nvme],
  ['order=2', sata],
  ['order=1,transport=sata', sata],
  ['model=samsung*980', nvme],
  ['model=W?C*', sata],
  ['serial=S-nv*', nvme],
  ['path=/dev/nvme?n1', nvme],
];
for (const [rule, chosen] of choices) {
  test(`"${rule}" chooses ${chosen.path}`, () => {
    assert.equal(chooseDisk([nvme, sata], rule, 'pc-1'), chosen);
  });
}

test('without a rule the only disk that qualifies is chosen', () => {
  const others = [
    disk('/dev/sdb', { removable: true }),
    disk('/dev/sdc', { readOnly: true }),
    disk('/dev/sdd', { inUse: true }),
  ];
  assert.equal(chooseDisk([...others, nvme], undefined, 'pc-1'), nvme);
  assert.equal(chooseDisk([...others, nvme], '', 'pc-1'), nvme);
});

test('a disk that is removable, read-only or in use is not chosen even by its serial, and the error says why', () => {
  for (const flag of ['removable', 'readOnly', 'inUse'] as const) {
    const error = refused('DISK_NONE', () => chooseDisk([disk('/dev/sdb', { [flag]: true })], 'serial=S-sdb', 'pc-1'));
    assert.match(error.message, /removable|read-only|in use/);
    assert.match(error.message, /\/dev\/sdb/);
  }
});

test('several disks that fit are refused with their list', () => {
  const error = refused('DISK_AMBIGUOUS', () => chooseDisk([nvme, sata], undefined, 'pc-1'));
  assert.match(error.message, /pc-1 .*\/dev\/nvme0n1 .*S-nvme0n1.*; \/dev\/sda .*S-sda/);
});

test('a host without any disk is refused', () => {
  assert.match(refused('DISK_NONE', () => chooseDisk([], undefined, 'pc-1')).message, /Its disks: none/);
});

test('a rule that does not parse is refused with its text', () => {
  for (const rule of [
    'sda',
    'size=',
    'size=big',
    'size=5X',
    'size=5i',
    'serial>5',
    'colour=red',
    'serial=a,,size=1G',
    ',',
    'order=0',
    'order=first',
    'order>1',
  ]) {
    assert.match(refused('DISK_RULE_INVALID', () => parseDiskRule(rule)).message, /is not a disk rule/, rule);
  }
});

test('a USB disk is chosen only by a rule that says so, and is no reason to doubt which disk is meant', () => {
  const usb = disk('/dev/sdx', { transport: 'usb' });
  assert.equal(chooseDisk([usb, nvme], undefined, 'pc-1'), nvme);
  assert.match(refused('DISK_NONE', () => chooseDisk([usb], 'size>1G', 'pc-1')).message, /on USB/);
  for (const rule of ['transport=usb', 'serial=S-sdx']) assert.equal(chooseDisk([usb, nvme], rule, 'pc-1'), usb);
});

test('a member of a RAID is chosen only by its own serial or wwn', () => {
  const member = disk('/dev/sdx', { raidMember: 'isw_raid_member', wwn: 'w1' });
  for (const rule of [undefined, 'order=1', 'serial=S-sd*', 'path=/dev/sdx']) {
    const error = refused('DISK_NONE', () => chooseDisk([member], rule, 'pc-1'));
    assert.match(error.message, /part of a RAID \(isw_raid_member\)/);
  }
  for (const rule of ['serial=S-sdx', 'wwn=w1']) assert.equal(chooseDisk([member], rule, 'pc-1'), member);
});

test('each disk that a rule does not take has its own reason, in order of path', () => {
  const disks = [sata, disk('/dev/sdb', { removable: true }), disk('/dev/nvme1n1'), nvme];
  assert.deepEqual(
    judgeDisks(disks, 'transport=nvme,order=2').map(({ disk: { path }, whyNot }) => [path, whyNot]),
    [
      ['/dev/nvme0n1', 'number 1, not 2'],
      ['/dev/nvme1n1', undefined],
      ['/dev/sda', 'not transport=nvme'],
      ['/dev/sdb', 'removable'],
    ],
  );
});

test('a disk in use says by what', () => {
  const used = disk('/dev/sda', { inUse: true, usedBy: 'mounted at /' });
  assert.match(refused('DISK_NONE', () => chooseDisk([used], undefined, 'pc-1')).message, /in use \(mounted at \/\)/);
});

test('"each" takes every disk that qualifies and meets the rest, never one that never qualifies', () => {
  const usb = disk('/dev/sdb', { transport: 'usb' });
  const never = (['removable', 'readOnly', 'inUse'] as const).map((flag, i) =>
    disk(`/dev/sd${'cde'[i]}`, { [flag]: true }),
  );
  const raid = disk('/dev/sdf', { raidMember: 'linux_raid_member' });
  const all = [sata, usb, nvme, raid, ...never];
  assert.deepEqual(chooseDisks(all, 'each', 'pc-1'), [nvme, sata]);
  assert.deepEqual(chooseDisks(all, ' each , transport=usb', 'pc-1'), [usb]);
  assert.deepEqual(chooseDisks(all, 'size>500G,each', 'pc-1'), [sata]);
  assert.deepEqual(chooseDisks(all, 'transport=sata', 'pc-1'), [sata], 'without it there must be one');
  const error = refused('DISK_NONE', () => chooseDisks(never, 'each', 'pc-1'));
  assert.match(error.message, /removable.*read-only.*in use/);
});

test('where one disk is meant, as for a capture, "each" does not choose among several', () => {
  refused('DISK_AMBIGUOUS', () => chooseDisk([nvme, sata], 'each', 'pc-1'));
  refused('DISK_AMBIGUOUS', () => chooseDisks([nvme, sata], undefined, 'pc-1'));
  refused('DISK_RULE_INVALID', () => chooseDisks([nvme], 'each=2', 'pc-1'));
});

test('several rules choose a disk each, in their order, and never the same one twice', () => {
  assert.deepEqual(chooseDisks([nvme, sata], 'transport=sata; transport=nvme', 'pc-1'), [sata, nvme]);
  const error = refused('DISK_CHOSEN_TWICE', () => chooseDisks([nvme, sata], 'order=1;transport=nvme', 'pc-1'));
  assert.match(error.message, /the same disk, \/dev\/nvme0n1/);
  refused('DISK_NONE', () => chooseDisks([nvme, sata], 'transport=sata;transport=usb', 'pc-1'));
  refused('DISK_RULE_INVALID', () => chooseDisk([nvme], 'serial=a;b', 'pc-1'));
  const judged = judgeDisks([nvme, sata, disk('/dev/sdb', { removable: true })], 'transport=nvme; transport=sata');
  assert.deepEqual(
    judged.map(({ whyNot }) => whyNot),
    [undefined, undefined, 'removable'],
  );
});
