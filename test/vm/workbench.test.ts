import assert from 'node:assert/strict';
import { closeSync, openSync, truncateSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { runOnWorkbench } from '#lab/workbench.ts';
import { tempFolder } from '#test/temp-folder.ts';
import { takeWorkbenchTurn } from '../lab/lab-turn.ts';
import { buildBootAssets, noVm } from './vm-road.ts';

test('a script on the workbench has device-mapper, its disks are written, and how it ended is told', {
  skip: noVm,
}, async (t) => {
  await takeWorkbenchTurn(t);
  const assets = await buildBootAssets();
  const folder = tempFolder(t);
  const disk = join(folder, 'disk.img');
  closeSync(openSync(disk, 'w'));
  truncateSync(disk, 64 * 1024 * 1024);
  const workDir = join(folder, 'work');
  const made = await runOnWorkbench({
    assets,
    workDir,
    disks: [disk],
    script: `
      lvm vgcreate -qq vg /dev/vda && lvm lvcreate -qq -L 16M -n data vg && echo hello | busybox dd of=/dev/vg/data conv=sync 2>/dev/null
      lvm lvs --noheadings -o vg_name,lv_name,lv_size
      exit 3`,
  });
  assert.equal(made.exitCode, 3, made.output);
  assert.match(made.output, /vg\s+data\s+16\.00m/);
  const read = await runOnWorkbench({
    assets,
    workDir,
    disks: [disk],
    script: 'lvm vgchange -qq -ay vg; busybox head -n 1 /dev/vg/data',
  });
  assert.match(read.output, /^hello$/m);
  assert.equal(read.exitCode, 0);
});
