import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { lvm, lvmArgv } from '#agent/disk/lvm-program.ts';
import { LVM_GROUP, makeLvmDisk, onLvm } from '#test/client-agent/lvm-disk.ts';
import { tempFolder } from '#test/temp-folder.ts';

const skip = process.getuid?.() === 0 ? false : 'needs root (loop devices)';
const MiB = 1024 * 1024;

test('lvm sees one device, and neither activates nor keeps anything', () => {
  const argv = lvmArgv('/dev/loop7', undefined, 'pvresize', ['/dev/loop7']);
  assert.deepEqual(argv.slice(0, 2), ['lvm', 'pvresize']);
  assert.deepEqual(argv.slice(4), ['--driverloaded', 'n', '--nolocking', '--devices', '/dev/loop7', '/dev/loop7']);
  assert.match(argv[3]!, /backup=0 archive=0/);
  assert.doesNotMatch(argv[3]!, /system_id=/);
  assert.match(lvmArgv('/dev/loop7', 'golden.host', 'pvs', [])[3]!, /local \{ system_id="golden\.host" \}/);
  assert.doesNotMatch(lvmArgv('/dev/loop7', 'a" }', 'pvs', [])[3]!, /local \{/);
});

test('a group that belongs to the machine it was captured from can be changed', { skip }, async (t) => {
  const disk = join(tempFolder(t), 'disk');
  await makeLvmDisk(disk, 66, [['root', 16]]);
  await onLvm(disk, 64 * MiB, async (device) => {
    await lvm(device, 'vgchange', '--yes', '--systemid', 'golden-host', LVM_GROUP);
    await lvm(device, 'lvextend', '--size', '32m', `${LVM_GROUP}/root`);
    const { stdout } = await lvm(device, 'vgs', '--noheadings', '-o', 'vg_systemid', LVM_GROUP);
    assert.equal(stdout.trim(), 'golden-host');
  });
});
