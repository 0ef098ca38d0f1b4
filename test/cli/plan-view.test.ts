import assert from 'node:assert/strict';
import { test } from 'node:test';
import { renderPlan } from '#cli/plan-view.ts';
import { failure, plan, planHost } from './sample-views.ts';

test('a plan names each disk, what is lost on it, who is refused and why, and how long it takes', () => {
  const refused = failure('DISK_TOO_SMALL', {
    ...{ host: 'pc-03', disk: '/dev/sda', haveBytes: 128_000_000_000, needBytes: 256_060_514_304 },
  }).error;
  const hosts = [
    planHost('pc-01'),
    planHost('pc-02', { presence: 'agent', lost: '', fit: 'larger' }),
    planHost('pc-03', { refused }),
  ];
  assert.deepEqual(renderPlan(plan(hosts)).split('\n'), [
    'Plan: win11-lab@3 (disk of 256.1 GB, 41.0 GB used) to 3 hosts',
    '',
    'HOST   NOW    DISK                      SERIAL        SIZE  FIT     WILL BE LOST',
    'pc-01  away   Samsung 980 /dev/nvme0n1  S64DNX0R  256.1 GB  exact   gpt: 1 vfat 100 MiB "EFI", 2 ntfs',
    'pc-02  agent  Samsung 980 /dev/nvme0n1  S64DNX0R  256.1 GB  larger  nothing known',
    '',
    'Refused, 1 host:',
    '  pc-03: the disk /dev/sda has 128000000000 bytes, the image needs 256060514304 (Samsung 980 S64DNX0R, 256.1 GB)',
    '    Next: Choose a larger disk: --disk …',
    '',
    'Overwrites 2 disks, 512.1 GB in all; 1 host will be woken.',
    'Sends 13.0 GB in one pass. Expected time 5m30s: one pass at 940 Mbit/s, then reading back at 500 MB/s.',
    'On a disk that is larger, the room at the end stays free (--grow last uses it).',
  ]);
});

test('a plan without a host that takes part sends nothing', () => {
  const { error } = failure('DISK_NONE', { host: 'pc-01', found: 'no disk' });
  const text = renderPlan(plan([planHost('pc-01', { refused: error })]));
  assert.match(text, /Refused, 1 host:[\s\S]*\n\nNothing would be sent or overwritten\.$/);
  assert.doesNotMatch(text, /Sends|Overwrites/);
});

test('a plan says what grows and what moves on a disk of another size', () => {
  const place = { fromStartBytes: 1e9, startBytes: 1e9, fromBytes: 50e9, sizeBytes: 70e9 };
  const fitted = [
    { partition: 2, filesystem: 'ext4', ...place },
    { partition: 3, filesystem: 'swap', ...place, startBytes: 80e9, sizeBytes: 50e9 },
    { partition: 4, ...place, startBytes: 130e9, sizeBytes: 50e9 },
  ];
  const text = renderPlan(plan([planHost('pc-01', { fit: 'fitted', fitted })]));
  assert.match(text, /2 \(ext4\) grows by 20\.0 GB, 3 \(swap\) moves, 4 moves/);
  assert.doesNotMatch(text, /stays free/);
});

test('what the image lacks is said again before it goes anywhere', () => {
  const warnings = [
    'partition 2: 4096 used bytes could not be read and are zeros in the image: bytes 9–4104 of the disk',
  ];
  const text = renderPlan({ ...plan([planHost('pc-01')]), warnings });
  assert.match(text, /^Warning: win11-lab: partition 2: 4096 used bytes could not be read/m);
});

test('a plan says by name what will open the LUKS containers, and who chose it', () => {
  const luksSecrets = { names: ['room-101', 'admin'], from: 'the group room-101' };
  const text = renderPlan(plan([planHost('pc-01', { luksSecrets }), planHost('pc-02', { luksSecrets })]));
  assert.match(text, /^LUKS containers open with: room-101, admin \(the group room-101\)\.$/m);
  const some = renderPlan(plan([planHost('pc-01', { luksSecrets }), planHost('pc-02')]));
  assert.match(some, /^LUKS containers open on pc-01 with: room-101/m);
});

test('a disk whose model steers terminals is printed harmlessly', () => {
  const evil = { model: '\x1b]0;owned\x07X\x1b[31m', serial: 'S\n1', sizeBytes: 1e9, sectorBytes: 512 };
  const text = renderPlan(plan([planHost('pc-01', { disk: evil })]));
  assert.doesNotMatch(text, /[\x00-\x09\x0b-\x1f]/);
});

test('the plan of a deployment in waves says who goes first', () => {
  const hosts = [planHost('pc-01', { wave: 1 }), planHost('pc-02', { wave: 2 }), planHost('pc-03', { wave: 2 })];
  const text = renderPlan(plan(hosts));
  assert.match(text, /^Wave 1, at once: 1 host \(pc-01\)\.$/m);
  assert.match(text, /^Wave 2, when wave 1 is done and verified: 2 hosts \(pc-02, pc-03\)\.$/m);
});

test('a host with several disks has a line for each, and a disk that is refused is named', () => {
  const identity = { model: 'WDC', serial: 'W2', sizeBytes: 1e12, sectorBytes: 512 };
  const { error } = failure('DISK_TOO_SMALL', { host: 'pc-01', disk: '/dev/sdc', haveBytes: 9, needBytes: 10 });
  const hosts = [
    planHost('pc-01', {
      twins: [{ disk: identity, diskPath: '/dev/sdb', lost: 'ext4 "data"', fit: 'larger' }],
      unfitDisks: [{ disk: { ...identity, serial: 'W3' }, diskPath: '/dev/sdc', refused: error! }],
    }),
  ];
  const text = renderPlan(plan(hosts));
  assert.match(text, /WDC \/dev\/sdb\s+W2\s+1\.0 TB\s+larger\s+ext4 "data"/);
  assert.match(text, /^Refused disks of hosts that take part:\n {2}pc-01: the disk \/dev\/sdc has 9 bytes/m);
  assert.match(text, /Overwrites 2 disks, 1\.3 TB in all; 1 host will be woken/);
});

test('the plan says which hosts the cast begins without, and what the others gain', () => {
  const setAside = { linkMbit: 100, withSeconds: 900, withoutSeconds: 95 };
  const text = renderPlan(plan([planHost('pc-01'), planHost('pc-02', { setAside }), planHost('pc-03')]));
  assert.match(
    text,
    /^Set aside, served after the others, who so have all in 1m35s instead of 15m00s: pc-02 \(link of 100 Mbit\/s\)\.$/m,
  );
});

test('the headline says how large each disk of the image is', () => {
  assert.match(renderPlan(plan([])), /^Plan: win11-lab@3 \(disk of 256\.1 GB, 41\.0 GB used\) to 0 hosts/);
  const several = { ...plan([]), moreDiskBytes: [1e12, 2e12] };
  assert.match(renderPlan(several), /^Plan: win11-lab@3 \(disks of 256\.1 GB, 1\.0 TB and 2\.0 TB, 41\.0 GB used\)/);
});
