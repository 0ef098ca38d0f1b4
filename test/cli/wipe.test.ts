import assert from 'node:assert/strict';
import { test } from 'node:test';
import { renderReceipt } from '#cli/receipt.ts';
import { renderReport } from '#cli/report-view.ts';
import { describeSamples, renderWipePlan } from '#cli/wipe-view.ts';
import type { WipeResult } from '#protocol/wipe.ts';
import { failure, planHost, disk as sampleDisk, session, T0, task } from './sample-views.ts';

test('the plan of a wipe names each disk, what is lost for good, which disks stay, and who is refused', () => {
  const refused = failure('DISK_NONE', { host: 'pc-02', rule: 'order=2', disks: 'none' }).error;
  const otherDisks = ['/dev/sda WDC W1 (1000.2 GB): not transport=nvme'];
  const going = planHost('pc-01', { otherDisks, rule: { rule: 'transport=nvme', from: 'the session' } });
  const text = renderWipePlan({ planId: 'p', method: 'auto', hosts: [going, planHost('pc-02', { refused })] });
  assert.match(text, /^Plan: wipe \(auto\) a disk of 2 hosts$/m);
  assert.match(text, /^pc-01 +away +Samsung 980 \/dev\/nvme0n1 +S64DNX0R +256\.1 GB +gpt: 1 vfat/m);
  assert.match(
    text,
    /^ {2}pc-01 \(transport=nvme, set by the session\)\n {4}\/dev\/sda WDC W1 .*: not transport=nvme$/m,
  );
  assert.match(text, /Refused, 1 host:\n {2}pc-02 has no disk/);
  assert.match(text, /Erases 1 disk, 256\.1 GB in all\. Nothing brings it back\.$/);
});

test('a receipt says just what was read back', () => {
  const disk = { sizeBytes: 256e9 } as WipeResult['disk'];
  const result: WipeResult = {
    ...{ disk, method: 'secure-erase', how: 'nvme format --ses=1' },
    ...{ sampledBlocks: 258, sampleBytes: 1024 ** 2, emptyBlocks: 258 },
  };
  assert.equal(describeSamples(result), '258 blocks of 1 MiB (first, last, 256 random): all empty');
  assert.match(describeSamples({ ...result, emptyBlocks: 200 }), /200 empty, 58 changed$/);
  assert.match(describeSamples({ ...result, disk: { ...disk, sizeBytes: 64 * 1024 ** 2 } }), /the whole disk/);
});

test('a receipt warns of a disk that was to erase itself and did not', () => {
  const disk = { sizeBytes: 256e9 } as WipeResult['disk'];
  const wipeResult: WipeResult = {
    ...{ disk, method: 'zeros', how: 'blkdiscard --zeroout', warning: 'the firmware has frozen it' },
    ...{ sampledBlocks: 258, sampleBytes: 1024 ** 2, emptyBlocks: 258 },
  };
  const view = session('completed', [task('pc-01', 'succeeded', { wipeResult })], { kind: 'wipe' });
  assert.match(renderReceipt(view, T0), /^Warning: pc-01: the firmware has frozen it$/m);
});

test('of a host with several disks plan, receipt and report name each, and say which was not wiped', () => {
  const other = {
    ...sampleDisk,
    path: '/dev/sdb',
    transport: 'sata',
    content: '',
    removable: false,
    readOnly: false,
    inUse: false,
  };
  const twin = { disk: { ...sampleDisk, serial: 'S2' }, diskPath: '/dev/sdb', lost: 'ext4' };
  const text = renderWipePlan({ planId: 'p', method: 'auto', hosts: [planHost('dock', { twins: [twin] })] });
  assert.match(text, /^Plan: wipe \(auto\) 2 disks of 1 host$/m);
  assert.match(text, /^dock +away .*\n- +- +Samsung 980 \/dev\/sdb +S2 +256\.1 GB +ext4$/m);
  assert.match(text, /Erases 2 disks, 512\.1 GB in all/);
  const one = { disk: { ...other, path: '/dev/sda' }, method: 'zeros', how: 'blkdiscard --zeroout' } as const;
  const samples = { sampledBlocks: 258, sampleBytes: 1024 ** 2, emptyBlocks: 258 };
  const { error } = failure('WIPE_NOT_CLEAN', { host: 'dock', method: 'x', count: 1, disk: 'y', offset: 0 });
  const first = { ...one, ...samples, warning: 'the firmware has frozen it' };
  const wipeResult: WipeResult = { ...first, disks: [first, { disk: other, error }] };
  const dock = task('dock', 'failed', { wipeResult, twins: [sampleDisk] });
  const view = session('failed', [dock], { kind: 'wipe' });
  const receipt = renderReceipt(view, T0);
  assert.match(
    receipt,
    /^dock +done +\/dev\/sda .* blkdiscard --zeroout +258 blocks .*\n- +failed WIPE_NOT_CLEAN +\/dev\/sdb /m,
  );
  assert.match(receipt, /^Warning: dock: \/dev\/sda Samsung 980 .*: the firmware has frozen it$/m);
  const counts = {
    passes: 0,
    repairs: 0,
    parked: 0,
    attempt: 1,
    wave: 1,
    sessionId: 1,
    kind: 'wipe',
    image: '',
  } as const;
  const page = renderReport(
    { ...view, cancelled: 0, running: 0, receipts: [{ ...dock, ...counts, wiped: wipeResult }] },
    T0,
  );
  assert.match(page, /1 of 2 disks wiped/);
  assert.match(
    page,
    /Disks of dock:\n {2}done {4}\/dev\/sda .*: blkdiscard .*\n {2}FAILED {2}\/dev\/sdb .*: WIPE_NOT_CLEAN/,
  );
});
