import assert from 'node:assert/strict';
import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { hasDeviceMapper } from '#agent/disk/disk-overlay.ts';
import { planGoldenDisk } from '#lab/golden-disk.ts';
import { scratchOf } from '#lab/run-folder.ts';
import type { DeployPlan } from '#protocol/admin/plan-api.ts';
import { run } from '#system/run.ts';
import { digestTree, makeTree } from '#test/client-agent/filesystems.ts';
import { fillVolume, LVM_HEAD, LVM_START, makeLvmDisk, readVolumes } from '#test/client-agent/lvm-disk.ts';
import { noLab } from './lab-turn.ts';
import { makePlug } from './power-plug.ts';
import { Road } from './road.ts';

const MIB = 1024 * 1024;
const USED_MIB = 16;
const SOURCE_MIB = 302;
const HOST_MIB = { lvm: SOURCE_MIB, 'pc-1': SOURCE_MIB + 200, 'pc-2': 130 };

test('an image with LVM goes onto larger and smaller disks, and what lies in it with it', {
  skip: noLab,
}, async (t) => {
  const plug = makePlug();
  t.after(plug.remove);
  const goldenBytes = planGoldenDisk(USED_MIB, 1).diskBytes;
  const more = Object.entries(HOST_MIB).map(([host, mebibytes]) => [host, mebibytes * MIB - goldenBytes]);
  const road = await Road.build(t, {
    ...{ hosts: Object.keys(HOST_MIB), images: [], usedMiB: USED_MIB, linkMbit: 100 },
    moreDiskBytes: Object.fromEntries(more),
    prepare: (lab) => makeSource(lab.diskOf(lab.host('lvm')), join(scratchOf(lab.folder), 'tree')),
  });
  const tree = join(scratchOf(road.lab.folder), 'tree');
  const diskOf = (host: string) => road.lab.diskOf(road.lab.host(host));
  await road.cli(['capture', 'lvm', '--as', 'one']);

  await t.test('the plan says which volume of LVM takes the room', async () => {
    const printed = await road.cli(['deploy', 'one', '--hosts', 'pc-1', '--dry-run', '--grow', 'last']);
    assert.match(printed, /1 \(LVM lab\) grows by 209\.7 MB: lab\/root \(ext4\)/);
    const refused = await road.lab.fleetcast(['deploy', 'one', '--hosts', 'pc-1', '--dry-run', '--grow', 'lab/swap']);
    assert.equal(refused.exitCode, 11);
    assert.match(refused.stderr, /lab\/swap of one cannot grow: swap in LVM keeps its size/);
  });

  await t.test('a host that loses its power while LVM grows comes back, and ends right', async () => {
    plug.arm();
    const sessionId = await road.deploy('one', ['pc-1'], ['--grow', 'lab/root']);
    await road.untilCompleted(sessionId);
    assert.ok(plug.wasPulled());
    const receipt = await road.cli(['session', 'show', String(sessionId)]);
    assert.match(
      receipt,
      /pc-1: verified, then fitted: 1 \(LVM lab\) grows by 209\.7 MB: lab\/root \(ext4\); fsck clean/,
    );
    // Where this machine has a device-mapper, the light host activates as any other.
    const isMapped = await hasDeviceMapper();
    const words = isMapped
      ? 'activated and checked: lab/root (ext4)'
      : 'NOT activated: this kernel has no device-mapper';
    assert.ok(receipt.includes(`pc-1: LVM lab ${words}`), receipt);
    const report = await road.cli(['session', 'report', String(sessionId)]);
    assert.ok(report.includes(`pc-1: LVM lab ${words}`), report);
    assert.deepEqual(await readVolumes(diskOf('pc-1'), 500 * MIB), { root: [80, '4-83'], swap: [4, '0-3'] });
    await assertRoot('pc-1', 320);
  });

  await t.test('a disk that is too small is refused with the command that helps, and that command helps', async () => {
    const refused = await road.lab.fleetcast(['--json', 'deploy', 'one', '--hosts', 'pc-2', '--dry-run']);
    const [host] = (JSON.parse(refused.stdout) as DeployPlan).hosts;
    assert.equal(host!.refused?.code, 'IMAGE_NEEDS_FIT');
    const [, ...command] = host!.refused!.next.split('   ')[0]!.split(' ');
    const planned = await road.cli([...command, '--as', 'small', '--dry-run']);
    assert.match(planned, /^Would make small: partition 1 \(LVM lab\) from 314\.6 MB to 131\.1 MB with lab\/root/);
    const printed = await road.cli([...command, '--as', 'small']);
    assert.match(
      printed,
      /^Made small@1: partition 1 \(LVM lab\) from 314\.6 MB to 131\.1 MB with lab\/root \(ext4\) from 125\.8 MB to 113\.2 MB\. /,
    );
    await road.untilCompleted(await road.deploy('small', ['pc-2'], ['--on-done', 'stay']));
    assert.deepEqual(await readVolumes(diskOf('pc-2'), 125 * MIB), { root: [27, '4-30'], swap: [4, '0-3'] });
    await assertRoot('pc-2', 108);
    await road.cli(['image', 'verify', 'one']);
  });

  async function assertRoot(host: string, mebibytes: number): Promise<void> {
    const folder = join(scratchOf(road.lab.folder), host);
    mkdirSync(folder);
    const [image, out] = [join(folder, 'root'), join(folder, 'out')];
    const from = `skip=${(LVM_START + LVM_HEAD) / MIB + 16}`;
    await run(['dd', `if=${diskOf(host)}`, `of=${image}`, 'bs=1M', from, `count=${mebibytes}`, 'status=none']);
    await run(['e2fsck', '-fn', image]);
    const blocks = /^Block count:\s+(\d+)/m.exec((await run(['dumpe2fs', '-h', image])).stdout)?.[1];
    assert.equal(Number(blocks) * 4096, mebibytes * MIB);
    mkdirSync(out);
    await run(['debugfs', '-R', `rdump / ${out}`, image]);
    rmSync(join(out, 'lost+found'), { recursive: true });
    assert.deepEqual(digestTree(out), digestTree(tree));
  }
});

/** 16 MiB of swap, then a root of 120 MiB; the rest of the group is free. */
async function makeSource(path: string, tree: string): Promise<void> {
  mkdirSync(tree, { recursive: true });
  makeTree(tree);
  await makeLvmDisk(path, SOURCE_MIB, [
    ['swap', 16],
    ['root', 120],
  ]);
  await fillVolume(path, 0, 16, (image) => run(['mkswap', image]));
  await fillVolume(path, 16, 120, (image) => run(['mke2fs', '-q', '-t', 'ext4', '-b', '4096', '-d', tree, image]));
}
