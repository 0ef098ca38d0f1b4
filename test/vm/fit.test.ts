import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readDiskFacts } from '#lab/foreign-check.ts';
import { scratchOf } from '#lab/run-folder.ts';
import { upLine } from '#lab/up-line.ts';
import { run } from '#system/run.ts';
import { noVm, VmRoad } from './vm-road.ts';

const MIB = 1024 * 1024;
const MORE = 100 * MIB;
/** The source's disk ends with a MiB that no partition has. */
const GROWN = MORE + MIB;

test('a machine with a larger disk boots the system that grew over it, under BIOS', { skip: noVm }, async (t) => {
  const road = await VmRoad.build(t, { firmwares: ['bios'], lightHosts: ['golden'], moreDiskBytes: MORE });
  await road.plantBootableDisk('golden', 'golden');
  const golden = road.lab.diskOf(road.lab.host('golden'));
  const vm = road.vm('bios');
  road.lab.powerOn(road.lab.host('golden'));
  road.rack.powerOn(vm);
  await Promise.all([road.untilRegistered('golden'), road.untilRegistered('bios')]);
  await road.cli(['capture', 'golden', '--as', 'os']);

  const { tasks } = await road.deploy('os', ['bios'], ['--grow', 'last']);
  const [grown] = tasks[0]!.deployResult!.fitted!;
  assert.deepEqual([grown!.partition, grown!.sizeBytes - grown!.fromBytes, grown!.check], [2, GROWN, 'clean']);
  await road.untilSaidAndOff(vm, upLine('golden'));

  const disk = road.rack.diskOf(vm);
  const [before, after] = await Promise.all([
    readDiskFacts(golden, scratchOf(road.lab.folder)),
    readDiskFacts(disk, `${scratchOf(road.lab.folder)}-grown`),
  ]);
  assert.deepEqual(
    after.partitions.map(({ tree, damage }) => ({ tree, damage })),
    before.partitions.map(({ tree }) => ({ tree, damage: '' })),
  );
  const { stdout } = await run(['dumpe2fs', '-h', `${disk}?offset=${grown!.startBytes}`]);
  const count = (name: string) => Number(new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(stdout)?.[1]);
  assert.equal(count('Block count') * count('Block size'), grown!.sizeBytes);
});
