/** Disks as the agent's kernel knows them: NVMe, SATA, SCSI and virtio, with sectors of 512 and of 4096 bytes. Emulated by QEMU. */
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { runOnWorkbench, type WorkbenchDisk } from '#lab/workbench.ts';
import { makeEmptyFile, randomBytesOf } from '#test/client-agent/filesystems.ts';
import { tempFolder } from '#test/temp-folder.ts';
import { takeWorkbenchTurn } from '../lab/lab-turn.ts';
import { bundleAgentScript } from './agent-script.ts';
import { buildBootAssets, noVm } from './vm-road.ts';

const MiB = 1024 * 1024;

/** Wipes what its arguments say, `SERIAL METHOD` each, and prints a line of JSON for each. */
const WIPE = `
import { listDisks } from './client-agent/disk/lsblk.js';
import { runWipe } from './client-agent/orders/wipe.js';
const disks = (await listDisks()).map((disk) => ({ ...disk, content: '' }));
const machine = { readInventory: async () => ({ disks }) };
for (const word of process.argv.slice(2)) {
  const [serial, method] = word.split('=');
  const disk = disks.find((one) => one.serial === serial);
  const order = { kind: 'wipe', rev: '', taskId: 1, sessionId: 1, disk, method, step: 'wipe' };
  const o = { machine, signal: new AbortController().signal, onProgress: () => undefined };
  const told = await runWipe(order, o).catch(({ code, message }) => ({ code, message }));
  console.log('WIPED ' + JSON.stringify({ serial, path: disk.path, sectorBytes: disk.sectorBytes, ...told, disk: undefined }));
}
`;

interface Told {
  readonly serial: string;
  readonly path: string;
  readonly sectorBytes: number;
  readonly how?: string;
  readonly emptyBlocks?: number;
  readonly sampledBlocks?: number;
  readonly warning?: string;
  readonly code?: string;
}

const wiped: readonly (Omit<WorkbenchDisk, 'path'> & {
  readonly method: string;
  readonly how?: RegExp;
  readonly code?: string;
})[] = [
  { bus: 'nvme', sectorBytes: 512, method: 'secure-erase', how: /^nvme format --ses=1$/ },
  { bus: 'nvme', sectorBytes: 4096, method: 'auto', how: /^nvme format --ses=1$/ },
  { bus: 'sata', sectorBytes: 512, method: 'secure-erase', code: 'WIPE_IMPOSSIBLE' },
  { bus: 'sata', sectorBytes: 512, method: 'auto', how: /^blkdiscard --zeroout$/ },
  { bus: 'scsi', sectorBytes: 4096, method: 'zeros', how: /^blkdiscard --zeroout$/ },
  { bus: 'virtio', sectorBytes: 512, method: 'discard', how: /^blkdiscard$/ },
];

test('disks of every bus are wiped in the way that they can, and nothing is left on them', {
  skip: noVm,
}, async (t) => {
  await takeWorkbenchTurn(t);
  const assets = await buildBootAssets();
  const folder = tempFolder(t);
  const disks = wiped.map(({ bus, sectorBytes }, i) => {
    const path = join(folder, `disk${i}.img`);
    writeFileSync(path, randomBytesOf(`wipe-${i}`, 16 * MiB));
    return { path, bus, sectorBytes };
  });
  const words = wiped.map(({ method }, i) => `BENCH${i}=${method}`).join(' ');
  const files = { 'usr/lib/fleetcast/wipe.js': await bundleAgentScript(WIPE) };
  const script = `node /usr/lib/fleetcast/wipe.js ${words}`;
  const { output } = await runOnWorkbench({ assets, workDir: join(folder, 'bench'), disks, script, files });
  const told = [...output.matchAll(/^WIPED (.*)$/gm)].map((match) => JSON.parse(match[1]!) as Told);
  assert.equal(told.length, wiped.length, output);
  for (const [i, { bus, sectorBytes, method, how, code }] of wiped.entries()) {
    await t.test(
      `${bus}, sectors of ${sectorBytes} bytes, ${method}: ${how === undefined ? 'refused' : 'empty'}`,
      () => {
        const one = told.find(({ serial }) => serial === `BENCH${i}`)!;
        const bytes = readFileSync(disks[i]!.path);
        assert.equal(one.sectorBytes, sectorBytes);
        assert.equal(one.code, code, output);
        if (how === undefined) {
          assert.ok(bytes.equals(randomBytesOf(`wipe-${i}`, 16 * MiB)), 'what is refused is not touched');
          return;
        }
        assert.match(one.how!, how);
        assert.equal(one.emptyBlocks, one.sampledBlocks);
        assert.equal(one.warning, undefined);
        assert.ok(bytes.every((byte) => byte === 0));
      },
    );
  }
});

/** Captures /dev/vda (4096), refuses to lay it on /dev/vdc (512), lays it on /dev/vdb (4096). The server is a Map. */
const COPY = `
import { openSync, writeSync, closeSync, fsyncSync } from 'node:fs';
import { zstdDecompressSync } from 'node:zlib';
import { listDisks } from './client-agent/disk/lsblk.js';
import { applyLayout, clearLabel } from './client-agent/disk/layout-writer.js';
import { checkLayout } from './client-agent/disk/layout-check.js';
import { checkFit } from './client-agent/orders/fit.js';
import { runCapture } from './client-agent/orders/capture.js';
import { makeZero, zeroRunsOf } from './client-agent/disk/zero-runs.js';
import { decodeManifest, idAt, placeOf } from './protocol/manifest.js';
import { readStoredHeader, STORED_HEADER_BYTES } from './protocol/stored-chunk.js';
const disks = (await listDisks()).map((disk) => ({ ...disk, content: '' }));
const [source, target, other] = ['BENCH0', 'BENCH1', 'BENCH2'].map((serial) => disks.find((one) => one.serial === serial));
const chunks = new Map();
let manifest;
const link = {
  lacking: async (_task, ids) => Buffer.alloc(Math.ceil(ids.length / 256), 255),
  chunks: async (_task, body) => {
    const parts = [];
    for await (const part of body) parts.push(part);
    const bytes = Buffer.concat(parts);
    for (let at = 0; at < bytes.length; ) {
      const header = readStoredHeader(bytes, at);
      const end = at + STORED_HEADER_BYTES + header.storedBytes;
      chunks.set(Buffer.from(header.id).toString('hex'), zstdDecompressSync(bytes.subarray(at + STORED_HEADER_BYTES, end)));
      at = end;
    }
    return { stored: 0, duplicates: 0 };
  },
  manifest: async (_task, bytes) => ((manifest = decodeManifest(bytes)), { manifestId: manifest.id, version: 1, isNew: true }),
};
const lackingFirst = link.lacking;
link.lacking = async (task, ids) => {
  const bits = await lackingFirst(task, ids);
  for (let i = 0; i * 32 < ids.length; i++) {
    if (chunks.has(ids.toString('hex', i * 32, i * 32 + 32))) bits[i >> 3] &= ~(1 << (i & 7));
  }
  for (let i = ids.length / 32; i < bits.length * 8; i++) bits[i >> 3] &= ~(1 << (i & 7));
  return bits;
};
const signal = new AbortController().signal;
const order = { kind: 'capture', rev: '', taskId: 1, sessionId: 1, disk: source, chunkBytes: 65536, zstdLevel: 1 };
const { warnings } = await runCapture(order, { disks: [source], link, signal, onProgress: () => undefined });
try {
  checkFit(other, manifest);
} catch ({ code }) {
  console.log('REFUSED ' + code);
}
checkFit(target, manifest);
await clearLabel(target);
const node = openSync(target.path, 'r+');
for (let i = 0; i < manifest.chunkCount; i++) {
  const plain = chunks.get(Buffer.from(idAt(manifest, i)).toString('hex'));
  writeSync(node, plain, 0, plain.length, placeOf(manifest, i).diskOffset);
}
fsyncSync(node);
closeSync(node);
await makeZero(target, zeroRunsOf(manifest), { signal, beforeFirstWrite: async () => undefined, onDone: () => undefined });
await applyLayout(target, manifest.head.layout);
await checkLayout(target, manifest.head.layout);
const { sectorBytes, partitions } = manifest.head.layout;
const maps = manifest.volumes.map(({ kind, filesystem, map }) => [kind, filesystem, map]);
console.log('COPIED ' + JSON.stringify({ sectorBytes, starts: partitions.map((one) => one.startSector), maps, warnings }));
`;

const MAKE_4KN = `
set -e
printf 'label: gpt\\nstart=256, size=8192, type=U\\nsize=12288, name="root"\\nsize=2048, type=S\\n' | sfdisk -q /dev/vda
busybox sleep 1
mkfs.fat -F 32 -S 4096 -s 1 /dev/vda1 >/dev/null || mkfs.fat -S 4096 /dev/vda1
/usr/sbin/mke2fs -q -t ext4 /dev/vda2; mkswap -L room /dev/vda3
mount -t ext4 /dev/vda2 /mnt; busybox seq 1 100000 >/mnt/numbers; umount /mnt
mount -t vfat /dev/vda1 /mnt; busybox seq 1 50000 >/mnt/boot.txt; umount /mnt
node /usr/lib/fleetcast/client-agent/copy.js
busybox sleep 1
sfdisk -d /dev/vda | grep start= | busybox sed 's/.*: //' >/tmp/a; sfdisk -d /dev/vdb | grep start= | busybox sed 's/.*: //' >/tmp/b
busybox cmp /tmp/a /tmp/b && echo SAME-TABLE
e2fsck -fn /dev/vdb2 && fsck.fat -n /dev/vdb1
mount -t ext4 -o ro /dev/vdb2 /mnt; busybox seq 1 100000 | busybox cmp - /mnt/numbers; umount /mnt
mount -t vfat -o ro /dev/vdb1 /mnt; busybox seq 1 50000 | busybox cmp - /mnt/boot.txt; umount /mnt
echo SAME-FILES
`;

test('a disk with sectors of 4096 bytes is captured and laid on another one, and refused on one with 512', {
  skip: noVm,
}, async (t) => {
  await takeWorkbenchTurn(t);
  const assets = await buildBootAssets();
  const folder = tempFolder(t);
  const disks = ([4096, 4096, 512] as const).map((sectorBytes, i): WorkbenchDisk => {
    const path = join(folder, `disk${i}.img`);
    makeEmptyFile(path, 112 * MiB);
    return { path, bus: 'virtio', sectorBytes };
  });
  // Beside the agent's own threads, which it starts.
  const files = { 'usr/lib/fleetcast/client-agent/copy.js': await bundleAgentScript(COPY) };
  const workDir = join(folder, 'bench');
  const { output, exitCode } = await runOnWorkbench({ assets, workDir, disks, script: MAKE_4KN, files });
  assert.equal(exitCode, 0, output);
  assert.match(output, /^REFUSED DISK_SECTOR_SIZE$/m);
  const copied = JSON.parse(/^COPIED (.*)$/m.exec(output)![1]!);
  assert.equal(copied.sectorBytes, 4096);
  assert.deepEqual(copied.starts, [256, 8448, 20736]);
  assert.deepEqual(
    copied.maps.filter(([kind]: string[]) => kind === 'partition').map(([, filesystem]: string[]) => filesystem),
    ['vfat', 'ext4', 'swap'],
  );
  assert.match(output, /^SAME-TABLE$/m);
  assert.match(output, /^SAME-FILES$/m);
});
