import assert from 'node:assert/strict';
import { test } from 'node:test';
import { renderReceipt } from '#cli/receipt.ts';
import { describeSamples, renderWipePlan } from '#cli/wipe-view.ts';
import type { WipeResult } from '#protocol/wipe.ts';
import { failure, planHost, session, T0, task } from './sample-views.ts';

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
