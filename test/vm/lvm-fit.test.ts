/** LVM that was made larger and smaller, under the agent's own kernel and lvm: volumes that come to lie in pieces, and all of them activated. */
import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { runOnWorkbench } from '#lab/workbench.ts';
import { changesOf, fitTo, placeManifest } from '#protocol/fit.ts';
import type { ManifestHead } from '#protocol/manifest.ts';
import { fitImage } from '#server/images/image-fitter.ts';
import { run } from '#system/run.ts';
import { filesystems, makeTree } from '#test/client-agent/filesystems.ts';
import { fillVolume, makeLvmDisk } from '#test/client-agent/lvm-disk.ts';
import { captureImage, linesOf } from '#test/server/images/captured-image.ts';
import { tempFolder } from '#test/temp-folder.ts';
import { takeWorkbenchTurn } from '../lab/lab-turn.ts';
import { bundleAgentScript } from './agent-script.ts';
import { buildBootAssets, noVm } from './vm-road.ts';

const MiB = 1024 * 1024;
const SOURCE_MIB = 502;
const LARGER_MIB = 702;
const SMALLER_MIB = 382;
const xfs = filesystems.find(({ name }) => name === 'XFS')!;

/** What the agent does on the larger disk when everything is verified; the table last. */
const GROW = (changes: unknown, head: Pick<ManifestHead, 'layout' | 'volumes'>) => `
import { activateContainers } from './client-agent/orders/activation.js';
import { finishFit } from './client-agent/orders/fit.js';
import { applyLayout } from './client-agent/disk/layout-writer.js';
const disk = { path: '/dev/vda', sizeBytes: ${LARGER_MIB * MiB}, sectorBytes: 512, isFile: false };
await finishFit(disk, ${JSON.stringify(changes)});
const head = ${JSON.stringify({ layout: head.layout, volumes: head.volumes })};
console.log('ACTIVATED ' + JSON.stringify(await activateContainers(disk, head, new AbortController().signal)));
await applyLayout(disk, head.layout);
`;

/** Both disks hold the same group: lvm is told which one it may see. */
const CHECK = `
set -e
node /usr/lib/fleetcast/grow.js
for disk in vda vdb; do
  blockdev --rereadpt /dev/$disk
  only="--devices /dev/\${disk}1"
  lvm vgck $only lab
  lvm vgchange -qq $only -ay lab
  echo "VOLUMES $disk $(lvm lvs $only --noheadings --units m --nosuffix -o lv_name,lv_size,seg_count lab | busybox tr -s ' \\n' ' ')"
  e2fsck -fn /dev/lab/root
  xfs_repair -n /dev/lab/home
  for pair in root:ext4 home:xfs; do
    volume=\${pair%:*}
    mount -t \${pair#*:} -o ro /dev/lab/$volume /mnt
    (cd /mnt; busybox find . -type f ! -path './lost+found/*' | busybox sort | busybox xargs busybox sha256sum) >/tmp/$disk-$volume
    umount /mnt
  done
  lvm vgchange -qq $only -an lab
done
busybox sha256sum /tmp/vd?-* | busybox sed 's/^/SUM /'
`;

test('LVM that was fitted is activated, sound, and has its files, also where a volume lies in pieces now', {
  skip: noVm,
}, async (t) => {
  await takeWorkbenchTurn(t);
  const assets = await buildBootAssets();
  const folder = tempFolder(t);
  const [source, larger, smaller, tree] = ['source', 'larger', 'smaller', 'tree'].map((name) => join(folder, name)) as [
    ...[string, string, string, string],
  ];
  mkdirSync(tree);
  makeTree(tree);
  await makeLvmDisk(source, SOURCE_MIB, [
    ['root', 80],
    ['swap', 8],
    ['home', 304],
  ]);
  await fillVolume(source, 0, 80, (image) => run(['mke2fs', '-q', '-t', 'ext4', '-d', tree, image]));
  await fillVolume(source, 80, 8, (image) => run(['mkswap', image]));
  await fillVolume(source, 88, 304, (image) => xfs.make(image, tree));
  const { catalog, lay, options } = await captureImage(t, source, folder);
  await linesOf(fitImage({ ...options, name: 'small', sizes: { toBytes: SMALLER_MIB * MiB } }));
  await lay('small', smaller, SMALLER_MIB * MiB);

  const manifest = await catalog.loadManifest(catalog.resolve('one').version.manifestId);
  const { fit } = fitTo(manifest.head, LARGER_MIB * MiB, 'proportional');
  const changes = changesOf(manifest.volumes, fit!);
  await lay('one', larger, LARGER_MIB * MiB);
  const placed = placeManifest(manifest, fit);
  assert.deepEqual(
    placed.volumes.map(({ startBytes }) => startBytes),
    manifest.volumes.map(({ startBytes }) => startBytes),
  );

  const files = { 'usr/lib/fleetcast/grow.js': await bundleAgentScript(GROW(changes, placed.head)) };
  // The smaller disk has no table yet: its manifest says which.
  const small = await catalog.loadManifest(catalog.resolve('small').version.manifestId);
  const table = small.head.layout.partitions.map(
    ({ startSector, sectors }) => `start=${startSector}, size=${sectors}, type=lvm`,
  );
  await run(['sfdisk', '--quiet', '--wipe', 'never', smaller], { input: `label: gpt\n\n${table.join('\n')}\n` });
  const { exitCode, output } = await runOnWorkbench({
    ...{ assets, workDir: join(folder, 'bench'), disks: [larger, smaller], script: CHECK, files },
  });
  assert.equal(exitCode, 0, output);
  assert.deepEqual(JSON.parse(/^ACTIVATED (.*)$/m.exec(output)![1]!), [
    {
      ...{ kind: 'lvm', name: 'lab', partition: 1 },
      volumes: [
        { name: 'lab/home', filesystem: 'xfs', check: 'clean' },
        { name: 'lab/root', filesystem: 'ext4', check: 'clean' },
      ],
    },
  ]);
  assert.match(output, /VOLUMES vda +home 460\.00 2 root 120\.00 2 swap 8\.00 1/);
  assert.match(output, /VOLUMES vdb +home 304\.00 1 root 64\.00 1 swap 8\.00 1/);
  // By e2fsck, in blocks of 1 KiB.
  assert.deepEqual(
    [...output.matchAll(/\/(\d+) blocks$/gm)].map((match) => Number(match[1])),
    [120 * 1024, 64 * 1024],
  );
  const sums = [...output.matchAll(/^SUM (\w+)/gm)].map((match) => match[1]);
  assert.equal(sums.length, 4, output);
  assert.equal(new Set(sums).size, 1, 'root and home hold the same tree on both disks');
});
