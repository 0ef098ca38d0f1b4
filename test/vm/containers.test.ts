/** Containers that need device-mapper or md: made, mapped by the agent's own program, and opened again under the agent's kernel. */
import assert from 'node:assert/strict';
import { closeSync, openSync, readSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { runOnWorkbench } from '#lab/workbench.ts';
import type { VolumeHead } from '#protocol/manifest.ts';
import { makeEmptyFile } from '#test/client-agent/filesystems.ts';
import { tempFolder } from '#test/temp-folder.ts';
import { takeWorkbenchTurn } from '../lab/lab-turn.ts';
import { bundleAgentScript } from './agent-script.ts';
import { buildBootAssets, noVm } from './vm-road.ts';

const MiB = 1024 * 1024;
const LVM_BYTES = 256 * MiB;
const MIRROR_BYTES = 96 * MiB;

/** A volume in two pieces, a thin pool, and a filesystem on a mirror. */
const MAKE = `
set -e
lvm pvcreate -qq /dev/vda; lvm vgcreate -qq lab /dev/vda
lvm lvcreate -qq -y -L 40M -n split lab; lvm lvcreate -qq -y -L 8M -n between lab; lvm lvextend -qq -L 80M lab/split
/usr/sbin/mke2fs -q -t ext4 /dev/lab/split
lvm lvcreate -qq -y --type thin-pool -L 48M --poolmetadatasize 4M -n pool lab
lvm lvcreate -qq -y -V 200M --thinpool lab/pool -n thin; /usr/sbin/mke2fs -q -t ext4 /dev/lab/thin
mdadm --create /dev/md0 --run --level=1 --raid-devices=2 --metadata=1.2 --bitmap=none /dev/vdb missing
/usr/sbin/mke2fs -q -t ext4 /dev/md0
for volume in lab/split lab/thin md0; do
  mount -t ext4 /dev/$volume /mnt; busybox seq 1 200000 >/mnt/numbers; mkdir /mnt/folder; echo $volume >/mnt/folder/name; umount /mnt
done
lvm vgchange -qq -an lab; mdadm --stop /dev/md0
node /usr/lib/fleetcast/map.js
`;

const OPEN = `
set -e
lvm vgchange -qq -ay lab; mdadm --assemble --run /dev/md0 /dev/vdb
for volume in lab/split lab/thin md0; do
  e2fsck -fn /dev/$volume
  mount -t ext4 -o ro /dev/$volume /mnt; busybox seq 1 200000 | busybox cmp - /mnt/numbers; echo "IS $(cat /mnt/folder/name)"; umount /mnt
done
lvm vgck lab
`;

/** What is run there to map the disks: with the agent's own modules, bundled as the agent is. */
const MAP = `
import { mapVolumes } from './client-agent/disk/used-extents.js';
for (const [path, sizeBytes] of [['/dev/vda', ${LVM_BYTES}], ['/dev/vdb', ${MIRROR_BYTES}]]) {
  const maps = await mapVolumes({ path, sectorBytes: 512 }, { kind: 'disk', startBytes: 0, sizeBytes });
  console.log('MAP ' + JSON.stringify(maps.map(({ extents, ...map }) => ({ ...map, extents: extents && [...extents] }))));
}
`;

interface Map {
  readonly head: VolumeHead;
  readonly extents?: readonly number[];
  readonly warnings: readonly string[];
}

test('volumes in pieces, thin pools and mirrors come back from what is carried of them', { skip: noVm }, async (t) => {
  await takeWorkbenchTurn(t);
  const assets = await buildBootAssets();
  const folder = tempFolder(t);
  const workDir = join(folder, 'bench');
  const disk = (name: string, bytes: number) => {
    makeEmptyFile(join(folder, name), bytes);
    return join(folder, name);
  };
  const sources = [disk('lvm.img', LVM_BYTES), disk('mirror.img', MIRROR_BYTES)];
  const targets = [disk('lvm-copy.img', LVM_BYTES), disk('mirror-copy.img', MIRROR_BYTES)];
  const files = { 'usr/lib/fleetcast/map.js': await bundleAgentScript(MAP) };
  const made = await runOnWorkbench({ assets, workDir, disks: sources, script: MAKE, files });
  assert.equal(made.exitCode, 0, made.output);
  const maps = [...made.output.matchAll(/^MAP (.*)$/gm)].map((match) => JSON.parse(match[1]!) as Map[]);
  assert.equal(maps.length, 2, made.output);

  await t.test('a volume in pieces has the map of its filesystem, piece by piece', () => {
    const split = maps[0]!.filter(({ head }) => head.within!.name === 'lab/split');
    assert.deepEqual(
      split.map(({ head }) => [head.map, head.filesystem, head.within!.offsetBytes ?? 0, head.sizeBytes]),
      [
        ['partclone.extfs', 'ext4', 0, 40 * MiB],
        ['partclone.extfs', 'ext4', 40 * MiB, 40 * MiB],
      ],
    );
    assert.ok(split.every(({ extents }) => usedBytes(extents!) < 30 * MiB));
    assert.deepEqual(
      maps.flat().flatMap(({ warnings }) => warnings),
      [],
    );
  });

  await t.test('of a thin pool its data and metadata are carried, raw', () => {
    const parts = maps[0]!.filter(({ head }) => /pool_t/.test(head.within!.name));
    assert.deepEqual([...new Set(parts.map(({ head }) => head.map))], ['raw']);
    assert.equal(parts.length, 2);
  });

  await t.test('a mirror has the map of the filesystem on it', () => {
    const [, data] = maps[1]!;
    assert.equal(data!.head.within!.kind, 'md');
    assert.equal(data!.head.map, 'partclone.extfs');
  });

  await t.test('laid on empty disks, all are activated, sound, and have their files', async () => {
    for (const [i, own] of maps.entries()) layMaps(own, sources[i]!, targets[i]!);
    const opened = await runOnWorkbench({ assets, workDir, disks: targets, script: OPEN });
    assert.equal(opened.exitCode, 0, opened.output);
    assert.deepEqual(opened.output.match(/^IS .*$/gm), ['IS lab/split', 'IS lab/thin', 'IS md0']);
  });
});

/** Copies what the maps say is used, and nothing else. */
function layMaps(maps: readonly Map[], source: string, target: string): void {
  const [from, to] = [openSync(source, 'r'), openSync(target, 'r+')];
  for (const { head, extents = [0, head.sizeBytes] } of maps) {
    for (let i = 0; i < extents.length; i += 2) {
      const bytes = Buffer.alloc(extents[i + 1]! - extents[i]!);
      readSync(from, bytes, 0, bytes.length, head.startBytes + extents[i]!);
      writeSync(to, bytes, 0, bytes.length, head.startBytes + extents[i]!);
    }
  }
  closeSync(from);
  closeSync(to);
}

function usedBytes(extents: readonly number[]): number {
  return extents.reduce((sum, at, i) => sum + (i % 2 === 0 ? -at : at), 0);
}
