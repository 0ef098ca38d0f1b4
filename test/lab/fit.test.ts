import assert from 'node:assert/strict';
import { test } from 'node:test';
import { compareDisks, type DiskFacts, readDiskFacts } from '#lab/foreign-check.ts';
import { planGoldenDisk } from '#lab/golden-disk.ts';
import { scratchOf } from '#lab/run-folder.ts';
import type { DeployPlan } from '#protocol/admin/plan-api.ts';
import { run } from '#system/run.ts';
import { noLab } from './lab-turn.ts';
import { makePlug } from './power-plug.ts';
import { Road } from './road.ts';

const MIB = 1024 * 1024;
const USED_MIB = 16;

test('images go onto larger disks, where the root grows and the swap moves behind it', { skip: noLab }, async (t) => {
  const plug = makePlug();
  t.after(plug.remove);
  const moreDiskBytes = { 'pc-1': 300 * MIB, 'pc-2': 500 * MIB + 512, 'pc-4': -120 * MIB };
  const road = await Road.build(t, {
    ...{ hosts: ['pc-1', 'pc-2', 'pc-3', 'pc-4'], images: ['one'], usedMiB: USED_MIB, linkMbit: 100, moreDiskBytes },
  });
  const golden = planGoldenDisk(USED_MIB, 1);

  await t.test('the plan says for each host what grows and what moves', async () => {
    const hostsArg = ['--hosts', 'golden-one,pc-1,pc-2,pc-3'];
    const printed = await road.cli(['--json', 'deploy', 'one', ...hostsArg, '--dry-run', '--grow', 'last']);
    const { hosts } = JSON.parse(printed) as DeployPlan;
    assert.deepEqual(
      hosts.map(({ host, fit }) => [host, fit]),
      [
        ['golden-one', 'exact'],
        ['pc-1', 'fitted'],
        ['pc-2', 'fitted'],
        ['pc-3', 'exact'],
      ],
    );
    const changes = hosts[1]!.fitted!;
    assert.deepEqual(
      changes.map(({ partition, fromBytes, sizeBytes }) => [partition, sizeBytes - fromBytes]),
      [
        [2, 300 * MIB],
        [3, 0],
      ],
    );
  });

  await t.test('a partition that cannot grow is refused with the reason', async () => {
    const { exitCode, stderr } = await road.lab.fleetcast([
      'deploy',
      'one',
      '--hosts',
      'pc-1',
      '--dry-run',
      '--grow',
      '1',
    ]);
    assert.equal(exitCode, 11);
    assert.match(stderr, /Partition 1 of one cannot grow: no program here enlarges vfat/);
  });

  await t.test('without --grow the partitions are the source’s and the room stays free', async () => {
    await road.untilCompleted(await road.deploy('one', ['pc-2'], ['--on-done', 'stay']));
    await road.assertDeployed('one', ['pc-2']);
  });

  await t.test('two sizes of disks and the source’s own are served by one cast', async () => {
    const sessionId = await road.deploy('one', ['pc-1', 'pc-2', 'pc-3'], ['--grow', 'last', '--on-done', 'stay']);
    const session = await road.untilCompleted(sessionId);
    assert.equal(session.casts.length, 1);
    await road.assertDeployed('one', ['pc-3']);
    for (const [host, moreBytes] of Object.entries({ 'pc-1': 300 * MIB, 'pc-2': 500 * MIB })) {
      await assertGrown(road, host, moreBytes);
      const { deployResult } = session.tasks.find((task) => task.host === host)!;
      assert.equal(deployResult!.verifiedChunks, deployResult!.chunks);
      assert.deepEqual(
        deployResult!.fitted!.map(({ partition, check }) => [partition, check]),
        [
          [2, 'clean'],
          [3, undefined],
        ],
      );
    }
    const receipt = await road.cli(['session', 'show', String(sessionId)]);
    assert.match(receipt, /pc-1: verified, then fitted: 2 \(ext4\) grows by 314\.6 MB, 3 \(swap\) moves; fsck clean/);
  });

  await t.test('a host that loses its power while its filesystem grows comes back, and ends right', async () => {
    plug.arm();
    const session = await road.untilCompleted(await road.deploy('one', ['pc-1'], ['--grow', 'last']));
    assert.ok(plug.wasPulled());
    assert.equal(session.succeeded, 1);
    await assertGrown(road, 'pc-1', 300 * MIB);
  });

  await t.test('a disk that is too small is refused with the command that helps, and that command helps', async () => {
    const refused = await road.lab.fleetcast(['--json', 'deploy', 'one', '--hosts', 'pc-4', '--dry-run']);
    assert.equal(refused.exitCode, 11);
    const [host] = (JSON.parse(refused.stdout) as DeployPlan).hosts;
    assert.equal(host!.refused?.code, 'IMAGE_NEEDS_FIT');
    const [, ...command] = host!.refused!.next.split('   ')[0]!.split(' ');
    assert.deepEqual(command.slice(0, 2), ['image', 'fit']);
    const printed = await road.cli([...command, '--as', 'small']);
    assert.match(printed, /^Made small@1: partition 2 \(ext4\) from 268\.4 MB to 142\.6 MB\. /);
    assert.match(await road.cli(['image', 'list']), /small .*fitted from one@1/);
    await road.untilCompleted(await road.deploy('small', ['pc-4'], ['--on-done', 'stay']));
    const path = road.lab.diskOf(road.lab.host('pc-4'));
    const target = await readDiskFacts(path, scratchOf(road.lab.folder));
    const expected = { ...road.goldenFacts('one'), table: target.table };
    assert.deepEqual(compareDisks(withoutSizes(expected), withoutSizes(target)), []);
    assert.equal(target.tableDamage, '');
    assert.ok(target.diskBytes < road.goldenFacts('one').diskBytes);
  });

  await t.test('the source of a fitted image deploys as before, and what needs no fitting is told', async () => {
    await road.cli(['image', 'verify', 'one']);
    const needless = await road.lab.fleetcast(['image', 'fit', 'one', '--to', '100G']);
    assert.equal(needless.exitCode, 11);
    assert.match(needless.stderr, /The image one fits a disk of 100000000000 bytes as it is/);
    const { exitCode, stderr } = await road.lab.fleetcast(['image', 'fit', 'one', '--to', '120M']);
    assert.equal(exitCode, 11);
    assert.match(
      stderr,
      /cannot be made to fit 120000000 bytes; the least is \d+: .*partition 1 \(vfat\) stays at 64 MiB/,
    );
  });

  async function assertGrown(on: Road, host: string, moreBytes: number): Promise<void> {
    const path = on.lab.diskOf(on.lab.host(host));
    const { stdout } = await run(['sfdisk', '--json', path]);
    const { root, swap } = golden.partitions;
    const places = JSON.parse(stdout).partitiontable.partitions.map(
      ({ start, size }: { start: number; size: number }) => [start * 512, size * 512],
    );
    assert.deepEqual(places.slice(1), [
      [root.startBytes, root.sizeBytes + moreBytes],
      [swap.startBytes + moreBytes, swap.sizeBytes],
    ]);
    const target = await readDiskFacts(path, scratchOf(on.lab.folder));
    const expected = on.goldenFacts('one');
    assert.deepEqual(compareDisks(withoutSizes({ ...expected, table: target.table }), withoutSizes(target)), []);
    const offset = `${path}?offset=${root.startBytes}`;
    const blocks = /^Block count:\s+(\d+)/m.exec((await run(['dumpe2fs', '-h', offset])).stdout)?.[1];
    assert.equal(Number(blocks) * 4096, root.sizeBytes + moreBytes);
  }
});

/** Newer blkid says the size of a filesystem too. */
function withoutSizes(facts: DiskFacts): DiskFacts {
  const partitions = facts.partitions.map((partition) => ({
    ...partition,
    identity: partition.identity.replace(/^FS(SIZE|LASTBLOCK)=.*\n?/gm, ''),
  }));
  return { ...facts, partitions };
}
