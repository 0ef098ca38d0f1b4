import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { checkDisks, type DiskFacts, readDiskFacts } from '#lab/foreign-check.ts';
import { buildGoldenDisk, planGoldenDisk } from '#lab/golden-disk.ts';
import { scratchOf } from '#lab/run-folder.ts';
import { writeInto } from '../client-agent/test-disk.ts';
import { noLab } from './lab-turn.ts';
import { Road } from './road.ts';

const SYSTEM_MIB = 32;
const DATA_MIB = 96;

test('a machine of two disks is one image, cast once, and each disk lands on its like', { skip: noLab }, async (t) => {
  const golden: DiskFacts[] = [];
  const disks: string[] = [];
  const sizeOf = (usedMiB: number) => planGoldenDisk(usedMiB, 1).diskBytes;
  const road = await Road.build(t, {
    ...{ hosts: ['src', 'pc-1', 'pc-2'], images: [], usedMiB: SYSTEM_MIB, linkMbit: 200 },
    prepare: async (lab) => {
      for (const name of ['src', 'pc-1', 'pc-2']) {
        // By path the data disk of the others comes first.
        const data = join(lab.folder.path, 'disks', name === 'src' ? 'src.second.img' : `a-${name}.img`);
        lab.addDisk(lab.host(name), data, sizeOf(name === 'pc-2' ? SYSTEM_MIB : DATA_MIB));
        disks.push(lab.diskOf(lab.host(name)), data);
      }
      for (const [i, usedMiB] of [SYSTEM_MIB, DATA_MIB].entries()) {
        const workDir = scratchOf(lab.folder);
        await buildGoldenDisk({ path: disks[i]!, workDir, usedMiB, seed: i + 1 });
        golden.push(await readDiskFacts(disks[i]!, workDir));
      }
    },
  });
  const captured = await road.cli(['capture', 'src', '--as', 'pair', '--disk', 'each']);
  assert.match(captured, /It is version pair@1\./);
  assert.match(
    await road.cli(['image', 'show', 'pair']),
    /More disks: +\d+\.\d MB, gpt[\s\S]*partition 2 of disk 2 +ext4/,
  );

  const words = ['deploy', 'pair', '--hosts', 'pc-1,pc-2'];
  const shown = await road.lab.fleetcast([...words, '--dry-run']);
  assert.equal(shown.exitCode, 11);
  assert.match(shown.stdout, /^Plan: pair@1 \(disks of \d+\.\d MB and \d+\.\d MB, /);
  assert.match(shown.stdout, /pc-1 [^\n]*pc-1\.img .*disk 1: exact[\s\S]*a-pc-1\.img .*disk 2: exact/);
  assert.match(shown.stdout, /pc-2: which of its disks takes which of the 2 disks of the image .* is not clear/);

  const session = await road.untilCompleted(await road.deploy('pair', ['pc-1']));
  const result = session.tasks[0]!.deployResult!;
  assert.equal(result.verifiedChunks, result.chunks);
  assert.equal(
    result.disks!.reduce((sum, { ownChunks = 0 }) => sum + ownChunks, 0),
    result.chunks,
  );
  assert.equal(session.casts.length, 1, 'one pass for both disks');
  await assertPair();

  // Again, by rules: they hold it all.
  const [system, data] = road.lab.topology.hosts
    .filter(({ name }) => name === 'pc-1')
    .map(({ diskSerial }) => [diskSerial, `${diskSerial}-2`])[0]!;
  const rules = ['--disk', `serial=${system}; serial=${data}`, '--delta', 'always'];
  const again = await road.untilCompleted(await road.deploy('pair', ['pc-1'], rules));
  const { castBytes, httpBytes, keptBytes = 0 } = again.tasks[0]!.deployResult!;
  assert.deepEqual([castBytes, httpBytes, keptBytes > 0], [0, 0, true]);
  await assertPair();

  // In the first partition of its data disk.
  writeInto(disks[3]!, 1024 * 1024, Buffer.alloc(4096, 'spoilt'));
  const audit = await road.lab.fleetcast(['audit', 'pc-1', '--image', 'pair', '--on-done', 'stay']);
  assert.equal(audit.exitCode, 3, audit.stdout + audit.stderr);
  assert.match(audit.stdout, /^pc-1 +equal +\S+\/pc-1\.img .* 0 B\n- +differs +\S+\/a-pc-1\.img [^\n]* 1 +\d+\.\d % /m);
  assert.match(audit.stdout, /1 done \(0 equal, 1 differs\)/);
  const swapped = await road.lab.fleetcast([
    ...['audit', 'pc-1', '--image', 'pair', '--disk', `serial=${data}; serial=${system}`],
  ]);
  assert.match(swapped.stdout, /pc-1: the disk .* has \d+ bytes, (which is too small|the image)/, swapped.stderr);

  async function assertPair() {
    for (const [i, facts] of golden.entries()) {
      const [check] = await checkDisks(facts, [disks[2 + i]!], { workDir: scratchOf(road.lab.folder) });
      assert.deepEqual(check!.problems, []);
    }
  }
});
