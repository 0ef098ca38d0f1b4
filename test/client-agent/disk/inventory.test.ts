import assert from 'node:assert/strict';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { Value } from 'typebox/value';
import { requireUnused } from '#agent/disk/disk-use.ts';
import { readInventory } from '#agent/disk/inventory.ts';
import { disksFromLsblk } from '#agent/disk/lsblk.ts';
import { inventorySchema } from '#protocol/agent-api.ts';
import { run } from '#system/run.ts';
import { makeEmptyFile } from '#test/client-agent/filesystems.ts';
import { writeInto } from '#test/client-agent/test-disk.ts';
import { tempFolder } from '#test/temp-folder.ts';
import { makePartitionedDisk } from './sample-tables.ts';

const MiB = 1024 * 1024;
const server = 'http://127.0.0.1:8470';

const folder = tempFolder(test);

const disk = {
  model: 'LabDisk 1',
  serial: 'L1',
  sectorBytes: 512,
  transport: 'sata',
  removable: false,
  readOnly: false,
};

function writeHardware(disks: readonly object[]): string {
  const path = join(folder, 'hardware.json');
  const names = {
    systemUuid: '0b9d2d4e-6d8c-4a53-8f1c-2f6a4b1f0c11',
    manufacturer: 'Lab',
    product: 'Host',
    serial: 'S1',
  };
  writeFileSync(path, JSON.stringify({ ...names, disks }));
  return path;
}

/** The contract: true of a real machine and of a light host. */
for (const [name, o] of [
  ['a real machine', () => ({ server })],
  [
    'a light host',
    () => {
      makeEmptyFile(join(folder, 'contract.img'), MiB);
      return { server, hardwareFile: writeHardware([{ ...disk, path: join(folder, 'contract.img') }]) };
    },
  ],
] as const) {
  test(`the inventory of ${name} fits the protocol and names the way to the server`, async () => {
    const inventory = await readInventory(o());
    assert.deepEqual([...Value.Errors(inventorySchema, inventory)], []);
    assert.deepEqual([inventory.interface, inventory.address], ['lo', '127.0.0.1']);
    assert.ok(inventory.macs.every((mac) => /^([0-9a-f]{2}:){5}[0-9a-f]{2}$/.test(mac)));
    assert.ok(inventory.cpus >= 1 && inventory.memoryBytes > 0);
    for (const { sizeBytes, sectorBytes } of inventory.disks) assert.equal(sizeBytes % sectorBytes, 0);
  });
}

test('a light host reports the size of the file and what is on it', async () => {
  const path = join(folder, 'disk.img');
  await makePartitionedDisk(path, 64 * MiB, ['label: gpt', '', 'size=8M, name="EFI"', 'size=16M', 'size=4M']);
  const filesystem = join(folder, 'fs.img');
  makeEmptyFile(filesystem, 16 * MiB);
  await run(['mke2fs', '-q', '-t', 'ext4', '-L', 'my root', filesystem]);
  writeInto(path, 9 * MiB, filesystem);
  const { disks, firmware } = await readInventory({
    server,
    hardwareFile: writeHardware([{ ...disk, path, wwn: 'w1' }]),
  });
  assert.equal(firmware, 'light');
  const content = 'gpt: 1 unknown 8.0 MiB "EFI", 2 ext4 16.0 MiB "my root", 3 unknown 4.0 MiB';
  assert.deepEqual(disks, [{ ...disk, path, wwn: 'w1', sizeBytes: 64 * MiB, inUse: false, content }]);
  const bare = await readInventory({ server, hardwareFile: writeHardware([{ ...disk, path: filesystem }]) });
  assert.equal(bare.disks[0]!.content, 'ext4 "my root"');
});

test('a light host says that a filesystem of its disk is mounted, and what RAID the whole disk belongs to', {
  skip: process.getuid?.() === 0 ? false : 'needs root to mount: sudo npm test',
}, async () => {
  const path = join(folder, 'used.img');
  makeEmptyFile(path, 16 * MiB);
  await run(['mke2fs', '-q', '-t', 'ext4', path]);
  const point = mkdtempSync(join(folder, 'mount-'));
  const hardwareFile = writeHardware([{ ...disk, path }]);
  const read = async () => (await readInventory({ server, hardwareFile })).disks[0]!;
  await run(['mount', '-o', 'loop,ro', path, point]);
  try {
    assert.deepEqual([(await read()).inUse, (await read()).usedBy], [true, `mounted at ${point}`]);
    const mounted = await read();
    await assert.rejects(requireUnused(mounted, 'read'), { code: 'DISK_IN_USE', message: /mounted at/ });
    const { stdout: loop } = await run(['losetup', '--noheadings', '--output', 'NAME', '--associated', path]);
    const device = { ...mounted, path: loop.trim(), inUse: false };
    // What lsblk would not show: the kernel itself says no.
    await assert.rejects(requireUnused(device, 'write'), { code: 'DISK_IN_USE', message: /kernel/ });
  } finally {
    await run(['umount', point]);
  }
  assert.equal((await read()).inUse, false);
  await requireUnused(await read(), 'write');
  await assert.rejects(requireUnused({ ...(await read()), readOnly: true }, 'write'), { code: 'DISK_READ_ONLY' });
  // Intel's "fake RAID" ends 1 KiB before the end of the disk (libblkid, isw_raid.c) and leaves room for a table in front.
  await run(['wipefs', '--quiet', '--all', path]);
  const signature = join(folder, 'isw');
  writeFileSync(signature, 'Intel Raid ISM Cfg Sig. 1.3.00');
  writeInto(path, 16 * MiB - 1024, signature);
  assert.equal((await read()).raidMember, 'isw_raid_member');
});

test('a hardware file that is missing or wrong is named', async () => {
  await assert.rejects(readInventory({ server, hardwareFile: join(folder, 'none.json') }), { code: 'AGENT_FAILED' });
  const path = writeHardware([{ model: 'no path' }]);
  await assert.rejects(readInventory({ server, hardwareFile: path }), {
    code: 'AGENT_FAILED',
    message: /hardware\.json is not valid/,
  });
});

test('whole disks are listed, what is mounted on them counts as use, and loops, zram and card readers are left out', () => {
  const node = {
    model: null,
    serial: null,
    wwn: null,
    size: 1000204886016,
    'log-sec': 512,
    tran: null,
    rm: false,
    ro: false,
  };
  const disks = disksFromLsblk({
    blockdevices: [
      { ...node, path: '/dev/loop0', type: 'loop', mountpoints: [null] },
      { ...node, path: '/dev/zram0', type: 'disk', mountpoints: ['[SWAP]'] },
      { ...node, path: '/dev/sr0', type: 'rom', mountpoints: [null], rm: true },
      { ...node, path: '/dev/sdb', type: 'disk', size: 0, mountpoints: [null], rm: true, tran: 'usb' },
      {
        ...{ ...node, path: '/dev/nvme0n1', type: 'disk', mountpoints: [null], tran: 'nvme' },
        ...{ model: 'Samsung SSD 980 1TB ', serial: 'S64DNX0R', wwn: 'eui.002538d521b0' },
        children: [
          { ...node, path: '/dev/nvme0n1p1', type: 'part', mountpoints: [null] },
          {
            ...{ ...node, path: '/dev/nvme0n1p2', type: 'part', mountpoints: [null] },
            children: [{ ...node, path: '/dev/mapper/vg-root', type: 'lvm', mountpoints: ['/'] }],
          },
        ],
      },
      {
        ...{ ...node, path: '/dev/sdc', type: 'disk', mountpoints: [null] },
        children: [{ ...node, path: '/dev/md127', type: 'raid1', mountpoints: [null] }],
      },
      { ...node, path: '/dev/vda', type: 'disk', mountpoints: [null] },
    ],
  });
  assert.deepEqual(
    disks.map(({ path, model, transport, usedBy }) => [path, model, transport, usedBy]),
    [
      ['/dev/nvme0n1', 'Samsung SSD 980 1TB', 'nvme', 'mounted at /'],
      ['/dev/sdc', '', '', 'held by md127'],
      ['/dev/vda', '', 'virtio', undefined],
    ],
  );
});
