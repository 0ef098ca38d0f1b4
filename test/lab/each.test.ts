import assert from 'node:assert/strict';
import { closeSync, mkdirSync, openSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { planGoldenDisk } from '#lab/golden-disk.ts';
import { run } from '#system/run.ts';
import { noLab } from './lab-turn.ts';
import { Road } from './road.ts';

const MIB = 1024 * 1024;
const USED_MIB = 32;
const DISK_BYTES = planGoldenDisk(USED_MIB, 1).diskBytes;

test('the disks of a dock take one stream: one that breaks fails alone and is named, and later takes what the others have', {
  skip: noLab,
}, async (t) => {
  const broken = { path: '', serial: '' };
  const twin = { path: '', serial: '' };
  let small = '';
  const road = await Road.build(t, {
    ...{ hosts: ['dock', 'pc-1'], images: ['one'], usedMiB: USED_MIB, linkMbit: 200 },
    prepare: async (lab) => {
      const dock = lab.host('dock');
      const folder = join(lab.folder.path, 'disks');
      twin.path = join(folder, 'dock.second.img');
      twin.serial = lab.addDisk(dock, twin.path, DISK_BYTES);
      // A filesystem that is soon full stands for a disk that stops taking writes.
      const full = join(folder, 'full');
      mkdirSync(full);
      await run(['mount', '-t', 'tmpfs', '-o', 'size=4m', 'fleetcast-test', full]);
      t.after(() => run(['umount', '--lazy', full], { okCodes: [0, 32] }));
      broken.path = join(full, 'dock-3.img');
      broken.serial = lab.addDisk(dock, broken.path, DISK_BYTES + 16 * MIB);
      small = lab.addDisk(dock, join(folder, 'dock-4.img'), DISK_BYTES / 4);
    },
  });
  const own = road.lab.diskOf(road.lab.host('dock'));

  const words = ['deploy', 'one', '--hosts', 'dock,pc-1', '--disk', 'each'];
  const shown = await road.lab.fleetcast([...words, '--dry-run']);
  assert.equal(shown.exitCode, 11, 'a disk is refused');
  for (const { serial } of [twin, broken]) assert.match(shown.stdout, new RegExp(`Light disk \\S+ +${serial} `));
  assert.match(shown.stdout, new RegExp(`Refused disks of hosts that take part:\n +dock: the disk .*${small}`));
  assert.equal((await road.lab.fleetcast([...words, '--yes'])).exitCode, 11, 'nor is it left out unasked');

  const first = await road.deploy(
    'one',
    ['dock', 'pc-1'],
    ['--disk', 'each', '--skip-refused', '--on-failure', 'stay'],
  );
  const ended = await road.until(first, 'ended', ({ state }) => state === 'completed');
  const [dock, pc] = ended.tasks;
  assert.deepEqual([dock!.state, dock!.error?.code, pc!.state], ['failed', 'DISKS_FAILED', 'succeeded']);
  assert.match(
    dock!.error!.message,
    new RegExp(`^dock: 1 of 3 disks failed, the other 2 are done: .*${broken.serial}`),
  );
  assert.match(dock!.error!.message, /writing .*dock-3\.img at byte \d+ failed: .*ENOSPC/);
  assert.deepEqual(
    dock!.deployResult?.disks?.map(({ error, verifiedChunks }) => error?.code ?? verifiedChunks),
    [dock!.deployResult!.chunks, dock!.deployResult!.chunks, 'DISK_WRITE_FAILED'],
  );
  await road.assertDisks('one', [own, twin.path]);
  await road.assertDeployed('one', ['pc-1']);
  const report = await road.cli(['session', 'report', String(first)]);
  assert.match(report, new RegExp(`Disks of dock:\n(  done .*\n){2}  FAILED  .*${broken.serial}.*: DISK_WRITE_FAILED`));
  assert.equal((await run(['sfdisk', '--json', broken.path], { okCodes: [0, 1] })).exitCode, 1, 'it must not boot');

  // The broken disk is mended, and something was done with another one since.
  await run(['mount', '-o', 'remount,size=1g', join(broken.path, '..')]);
  spoil(twin.path);
  const more = ['--disk', 'each', '--skip-refused', '--delta', 'always', '--grow', 'last'];
  const second = await road.untilCompleted(await road.deploy('one', ['dock'], more));
  const disks = second.tasks[0]!.deployResult!.disks!;
  const laid = disks.map(({ castBytes, httpBytes }) => castBytes + httpBytes);
  assert.deepEqual([laid[0], laid[1]! > 0, laid[2]! > laid[1]! * 4], [0, true, true], JSON.stringify(laid));
  assert.deepEqual(
    disks.map(({ keptBytes = 0 }) => keptBytes > 0),
    [true, true, true],
  );
  assert.deepEqual(
    disks.map(({ fitted }) => fitted?.[0]?.check),
    [undefined, undefined, 'clean'],
  );
  await road.assertDisks('one', [own, twin.path]);

  const audit = await road.lab.fleetcast([
    ...['audit', 'dock', '--image', 'one', '--disk', 'each', '--skip-refused', '--on-done', 'stay'],
  ]);
  assert.equal(audit.exitCode, 3, audit.stdout + audit.stderr);
  assert.match(
    audit.stdout,
    /^dock +equal +\S+dock\.img .* 0 B\n- +equal +\S+dock\.second\.img .* 0 B\n- +differs \(partition table too\) +\S+dock-3\.img /m,
  );

  const wipe = ['wipe', '--hosts', 'dock', '--disk', 'each'];
  assert.match(await road.cli([...wipe, '--dry-run']), /wipe \(auto\) 4 disks of 1 host[\s\S]*Erases 4 disks, /);
  const wiped = await road.cli([...wipe, '--yes', '--on-done', 'reboot']);
  assert.match(wiped, /^dock +done +\S+dock-4\.img .*all empty .*(\n- +done +\S+ .*all empty.*){3}$/m);
  for (const path of [own, twin.path, broken.path]) {
    assert.equal((await run(['sfdisk', '--json', path], { okCodes: [0, 1] })).exitCode, 1, path);
  }
  await road.untilAsleep(['dock']);
});

/** Overwrites a used chunk in the first partition. */
function spoil(path: string): void {
  const file = openSync(path, 'r+');
  writeSync(file, Buffer.alloc(4096, 'spoilt'), 0, 4096, MIB);
  closeSync(file);
}
