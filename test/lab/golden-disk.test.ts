import assert from 'node:assert/strict';
import { copyFileSync, openSync, readFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { checkDisks, compareDisks, readDiskFacts } from '#lab/foreign-check.ts';
import { buildGoldenDisk } from '#lab/golden-disk.ts';
import { run } from '#system/run.ts';
import { tempFolder } from '#test/temp-folder.ts';

test('a golden disk is sound, is found in its copies, and every kind of damage to a copy is named', async (t) => {
  const folder = tempFolder(t);
  const path = join(folder, 'golden.img');
  const workDir = join(folder, 'work');
  const plan = await buildGoldenDisk({ path, workDir, usedMiB: 8 });
  const golden = await readDiskFacts(path, workDir);
  const { esp, root, swap } = plan.partitions;

  const copy = () => {
    const target = join(folder, 'copy.img');
    copyFileSync(path, target);
    return target;
  };
  const problemsAfter = async (damage: (target: string) => unknown) => {
    const target = copy();
    await damage(target);
    return (await checkDisks(golden, [target], { workDir }))[0]!.problems.join('; ');
  };

  await t.test('the facts tell the layout and the files', () => {
    assert.deepEqual(
      golden.partitions.map(({ identity }) => /^TYPE=(.*)$/m.exec(identity)?.[1]),
      ['vfat', 'ext4', 'swap'],
    );
    assert.deepEqual(
      golden.partitions.map(({ damage }) => damage),
      ['', '', ''],
    );
    assert.match(golden.table, /attrs="LegacyBIOSBootable GUID:59"/);
    assert.ok(
      golden.partitions[1]!.tree.some((line) => line.startsWith('./home/user/name with blanks and ümläuts.txt')),
    );
    assert.ok(golden.partitions[1]!.tree.length > 50);
  });

  await t.test('a true copy has no problems', async () => {
    assert.equal(await problemsAfter(() => {}), '');
  });

  await t.test('a changed boot code is named', async () => {
    assert.equal(await problemsAfter((target) => write(target, 10, Buffer.from('XX'))), 'boot code differs');
  });

  await t.test('a missing table is named, even when its backup is there', async () => {
    const problems = await problemsAfter((target) => write(target, 512, Buffer.alloc(33 * 512)));
    assert.match(problems, /^partition table: sgdisk: /);
  });

  await t.test('another partition name is named', async () => {
    const problems = await problemsAfter((target) => run(['sfdisk', '--part-label', target, '2', 'other']));
    assert.match(problems, /^partition table: .*name=\\"root\\".*name=\\"other\\"/);
  });

  await t.test('one changed byte of a file on ext4 is named with the file', async () => {
    const shadow = readFileSync(path).indexOf(Buffer.from('root:*:19700'));
    assert.ok(shadow > root.startBytes && shadow < swap.startBytes);
    assert.match(
      await problemsAfter((target) => write(target, shadow, Buffer.from('R'))),
      /^partition 2: .*etc\/shadow/,
    );
  });

  await t.test('a damaged ext4 is named by e2fsck', async () => {
    const problems = await problemsAfter((target) => write(target, root.startBytes + 4096, Buffer.alloc(8192)));
    assert.match(problems, /partition 2: e2fsck/);
  });

  await t.test('one changed byte of a file on the ESP is named with the file', async () => {
    const config = readFileSync(path).indexOf(Buffer.from('search --fs-uuid'));
    assert.ok(config > esp.startBytes && config < root.startBytes);
    assert.match(await problemsAfter((target) => write(target, config, Buffer.from('S'))), /partition 1: .*grub\.cfg/);
  });

  await t.test('another swap UUID is named', async () => {
    const problems = await problemsAfter((target) => write(target, swap.startBytes + 1036, Buffer.from('0123456789')));
    assert.match(problems, /^partition 3: .*UUID/);
  });

  await t.test('another seed makes another disk, the same seed the same', async () => {
    const other = join(folder, 'other.img');
    await buildGoldenDisk({ path: other, workDir, usedMiB: 8, seed: 2 });
    assert.ok(compareDisks(golden, await readDiskFacts(other, workDir)).length >= 4);
    await buildGoldenDisk({ path: other, workDir, usedMiB: 8, seed: 1 });
    const again = await readDiskFacts(other, workDir);
    assert.equal(again.table, golden.table);
    assert.equal(again.partitions[1]!.tree.join('\n') === golden.partitions[1]!.tree.join('\n'), true);
  });
});

function write(path: string, offset: number, bytes: Uint8Array): void {
  writeSync(openSync(path, 'r+'), bytes, 0, bytes.length, offset);
}
