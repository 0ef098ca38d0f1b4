/** Containers that need device-mapper or md: made, mapped by the agent's own program, activated by it and opened under the agent's kernel. */
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

const BOTH_BYTES = 64 * MiB;

/** A volume in two pieces, a thin pool, a filesystem on a mirror, and LVM on one. */
const MAKE = `
set -e
lvm pvcreate -qq /dev/vda; lvm vgcreate -qq lab /dev/vda
lvm lvcreate -qq -y -L 40M -n split lab; lvm lvcreate -qq -y -L 8M -n between lab; lvm lvextend -qq -L 80M lab/split
/usr/sbin/mke2fs -q -t ext4 /dev/lab/split
lvm lvcreate -qq -y --type thin-pool -L 48M --poolmetadatasize 4M -n pool lab
lvm lvcreate -qq -y -V 200M --thinpool lab/pool -n thin; /usr/sbin/mke2fs -q -t ext4 /dev/lab/thin
mdadm --create /dev/md0 --run --level=1 --raid-devices=2 --metadata=1.2 --bitmap=none /dev/vdb missing
/usr/sbin/mke2fs -q -t ext4 /dev/md0
mdadm --create /dev/md1 --run --level=1 --raid-devices=2 --metadata=1.2 --bitmap=none /dev/vdc missing
lvm pvcreate -qq /dev/md1; lvm vgcreate -qq two /dev/md1; lvm lvcreate -qq -y -L 20M -n root two; /usr/sbin/mke2fs -q -t ext4 /dev/two/root
for volume in lab/split lab/thin md0 two/root; do
  mount -t ext4 /dev/$volume /mnt; busybox seq 1 200000 >/mnt/numbers; mkdir /mnt/folder; echo $volume >/mnt/folder/name; umount /mnt
done
lvm vgchange -qq -an lab two; mdadm --stop /dev/md0 /dev/md1
node /usr/lib/fleetcast/map.js
`;

const OPEN = `
set -e
node /usr/lib/fleetcast/activate.js
echo "LEFT $(dmsetup ls), loops $(busybox losetup -a | busybox grep -vc squashfs || true), mirrors $(busybox grep -c ^md /proc/mdstat || true)"
mdadm --assemble --run /dev/md0 /dev/vdb; mdadm --assemble --run /dev/md1 /dev/vdc; lvm vgchange -qq -ay lab two
for volume in lab/split lab/thin md0 two/root; do
  e2fsck -fn /dev/$volume
  mount -t ext4 -o ro /dev/$volume /mnt; busybox seq 1 200000 | busybox cmp - /mnt/numbers; echo "IS $(cat /mnt/folder/name)"; umount /mnt
done
lvm vgck lab
`;

/** What is run there to map the disks: with the agent's own modules, bundled as the agent is. */
const MAP = `
import { mapVolumes } from './client-agent/disk/used-extents.js';
for (const [path, sizeBytes] of [['/dev/vda', ${LVM_BYTES}], ['/dev/vdb', ${MIRROR_BYTES}], ['/dev/vdc', ${BOTH_BYTES}]]) {
  const maps = await mapVolumes({ path, sectorBytes: 512 }, { kind: 'disk', startBytes: 0, sizeBytes });
  console.log('MAP ' + JSON.stringify(maps.map(({ extents, ...map }) => ({ ...map, extents: extents && [...extents] }))));
}
`;

/** As at the end of a deployment; then with damage: in the middle of a filesystem, and in the text of a group. */
const ACTIVATE = (maps: readonly Map[][]) => `
import { closeSync, openSync, readFileSync, readSync, writeSync } from 'node:fs';
import { activateContainers } from './client-agent/orders/activation.js';
const disks = [['vda', ${LVM_BYTES}], ['vdb', ${MIRROR_BYTES}], ['vdc', ${BOTH_BYTES}]];
const volumes = ${JSON.stringify(maps.map((own) => own.map(({ head }) => head)))};
async function activate(i) {
  const [name, diskBytes] = disks[i];
  const layout = { label: 'none', sectorBytes: 512, diskBytes, partitions: [] };
  try {
    const disk = { path: '/dev/' + name, sectorBytes: 512 };
    console.log('ACTIVATED ' + JSON.stringify(await activateContainers(disk, { layout, volumes: volumes[i] }, new AbortController().signal)));
  } catch (error) {
    console.log('FAILED ' + error.code + ' ' + error.message);
  }
}
function flip(path, at, length) {
  const file = openSync(path, 'r+');
  const bytes = Buffer.alloc(length);
  readSync(file, bytes, 0, length, at);
  writeSync(file, bytes.map((byte) => byte ^ 0xff), 0, length, at);
  closeSync(file);
}
for (const i of disks.keys()) await activate(i);
console.log('WRITTEN ' + disks.map(([name]) => readFileSync('/sys/block/' + name + '/stat', 'utf8').trim().split(/ +/)[6]));
const { startBytes } = volumes[0].find(({ within }) => within.name === 'lab/split');
for (const [at, length] of [[startBytes + 2048, 4096], [4608, 65536]]) {
  flip('/dev/vda', at, length);
  await activate(0);
  flip('/dev/vda', at, length);
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
  const sources = [disk('lvm.img', LVM_BYTES), disk('mirror.img', MIRROR_BYTES), disk('both.img', BOTH_BYTES)];
  const targets = [
    disk('lvm-copy.img', LVM_BYTES),
    disk('mirror-copy.img', MIRROR_BYTES),
    disk('both-copy.img', BOTH_BYTES),
  ];
  const files = { 'usr/lib/fleetcast/map.js': await bundleAgentScript(MAP) };
  const made = await runOnWorkbench({ assets, workDir, disks: sources, script: MAKE, files });
  assert.equal(made.exitCode, 0, made.output);
  const maps = [...made.output.matchAll(/^MAP (.*)$/gm)].map((match) => JSON.parse(match[1]!) as Map[]);
  assert.equal(maps.length, 3, made.output);

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
  });

  await t.test('of a thin pool its data and metadata are carried, raw', () => {
    const parts = maps[0]!.filter(({ head }) => /pool_t/.test(head.within!.name));
    assert.deepEqual([...new Set(parts.map(({ head }) => head.map))], ['raw']);
    assert.equal(parts.length, 2);
  });

  await t.test('the capture says which volumes are raw and why, and of the others nothing', () => {
    const warnings = maps.flat().flatMap((map) => map.warnings);
    assert.ok(warnings.some((text) => /lab\/pool_tdata\): taken raw: it is part of a thin pool/.test(text)));
    assert.ok(
      warnings.every((text) => /lab\/(pool_t|lvol0_pmspare)/.test(text)),
      warnings.join('\n'),
    );
  });

  await t.test('a mirror has the map of the filesystem on it', () => {
    const [, data] = maps[1]!;
    assert.equal(data!.head.within!.kind, 'md');
    assert.equal(data!.head.map, 'partclone.extfs');
  });

  await t.test(
    'laid on empty disks, the agent activates and checks all without a write; they have their files',
    async () => {
      for (const [i, own] of maps.entries()) layMaps(own, sources[i]!, targets[i]!);
      const program = { 'usr/lib/fleetcast/activate.js': await bundleAgentScript(ACTIVATE(maps)) };
      const opened = await runOnWorkbench({ assets, workDir, disks: targets, script: OPEN, files: program });
      assert.equal(opened.exitCode, 0, opened.output);
      const clean = { filesystem: 'ext4', check: 'clean' };
      const group = (name: string, volumes: readonly string[]) => {
        return { kind: 'lvm', name, volumes: volumes.map((volume) => ({ name: `${name}/${volume}`, ...clean })) };
      };
      assert.deepEqual(
        [...opened.output.matchAll(/^ACTIVATED (.*)$/gm)].map((match) => JSON.parse(match[1]!)),
        [
          [group('lab', ['split', 'thin'])],
          [{ kind: 'md', volumes: [clean] }],
          [{ kind: 'md', volumes: [] }, group('two', ['root'])],
        ],
        opened.output,
      );
      assert.match(opened.output, /^WRITTEN 0,0,0$/m);
      const [filesystem, metadata, ...others] = opened.output.match(/^FAILED .*$/gm) ?? [];
      assert.match(
        filesystem!,
        /^FAILED VOLUME_DAMAGED .*ext4 in the disk, lab\/split was laid .* is damaged: e2fsck: \S/,
      );
      assert.match(
        metadata!,
        /^FAILED CONTAINER_BROKEN .*LVM group lab in the disk .*: none of its metadata areas can be/,
      );
      assert.deepEqual(others, []);
      assert.match(opened.output, /^LEFT No devices found, loops 0, mirrors 0$/m);
      assert.deepEqual(opened.output.match(/^IS .*$/gm), ['IS lab/split', 'IS lab/thin', 'IS md0', 'IS two/root']);
    },
  );
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
