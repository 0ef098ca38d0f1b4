/** The initramfs of a real Debian, rebuilt by the finisher as in an agent: /boot is a partition of its own, and LUKS is open under no name. */
import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import type { FinisherContext } from '#agent/finishers/finisher.ts';
import { rebuildInitramfs } from '#agent/finishers/initramfs.ts';
import { withTargetSystem } from '#agent/finishers/target-system.ts';
import { LUKS_UUID } from '#lab/debian-root.ts';
import { readyDebianArchive } from '#lab/debian-system.ts';
import type { Volume } from '#protocol/manifest.ts';
import { run } from '#system/run.ts';
import { makeEmptyFile } from '#test/client-agent/filesystems.ts';
import { diskOf } from '#test/client-agent/test-disk.ts';
import { tempFolder } from '#test/temp-folder.ts';
import { noVm } from './vm-road.ts';

const MiB = 1024 * 1024;
const BOOT = { startBytes: MiB, sizeBytes: 160 * MiB };
const ROOT = { startBytes: 161 * MiB, sizeBytes: 900 * MiB };
const BOOT_UUID = '2f1d6a1e-5b52-4a0e-9f0c-5f3b0f6f2b21';
const limited = { limitMs: 300_000 };

test('a rebuilt initramfs of a Debian lies on its /boot and asks for the passphrase', { skip: noVm }, async (t) => {
  const folder = tempFolder(t);
  const [tree, boot, disk] = [join(folder, 'tree'), join(folder, 'boot'), join(folder, 'disk.img')];
  mkdirSync(tree);
  const archive = await readyDebianArchive((line) => t.diagnostic(line));
  await run(['tar', '-x', '-C', tree, '-f', archive], limited);
  // As Debian's installer leaves it: nothing in the table says that the container is needed so early.
  writeFileSync(join(tree, 'etc/crypttab'), `vda4_crypt UUID=${LUKS_UUID} none luks,discard\n`);
  writeFileSync(
    join(tree, 'etc/fstab'),
    `/dev/mapper/lab--vg-root / ext4\nUUID=${BOOT_UUID} /boot ext4 defaults 0 2\n`,
  );
  renameSync(join(tree, 'boot'), boot);
  mkdirSync(join(tree, 'boot'));
  const [kernel] = readNames(await run(['ls', join(tree, 'usr/lib/modules')]));
  const initrd = `initrd.img-${kernel}`;
  writeFileSync(join(boot, initrd), 'of another machine');
  makeEmptyFile(disk, 1064 * MiB);
  const makeVolume = async (from: string, { startBytes, sizeBytes }: typeof BOOT, ...more: string[]) => {
    const where = ['-E', `offset=${startBytes}`, '-d', from, ...more, disk, `${sizeBytes / 1024}k`];
    await run(['mke2fs', '-q', '-F', '-t', 'ext4', ...where], limited);
  };
  await makeVolume(boot, BOOT, '-U', BOOT_UUID);
  await makeVolume(tree, ROOT);
  const volumes = [BOOT, ROOT].map((place, i) => {
    return { ...place, kind: 'partition', partition: i + 1, filesystem: 'ext4' } as unknown as Volume;
  });
  const said: string[] = [];
  await withTargetSystem(diskOf(disk), volumes, [], async (system, whyNoSystem) => {
    const head = { layout: { partitions: [] }, containers: [{ uuid: LUKS_UUID }] };
    await rebuildInitramfs({
      ...{ disk: diskOf(disk), manifest: { head, volumes }, changes: [], system, whyNoSystem },
      ...{ signal: new AbortController().signal, say: (line: string) => void said.push(line) },
    } as unknown as FinisherContext);
  });
  assert.equal(said.at(-1), 'usr/sbin/update-initramfs has built it anew');

  await run(['debugfs', '-R', `dump /${initrd} ${join(tree, 'new')}`, `${disk}?offset=${BOOT.startBytes}`]);
  const inTree = ['unshare', '--fork', '--pid', '--root', tree, '--mount-proc'];
  await run([...inTree, '/usr/bin/unmkinitramfs', '/new', '/unpacked'], limited);
  const found = await run(['find', join(tree, 'unpacked'), '-path', '*/cryptroot/crypttab']);
  const [path] = readNames(found);
  assert.match(readFileSync(path!, 'utf8'), new RegExp(`^vda4_crypt UUID=${LUKS_UUID} none `, 'm'));
});

function readNames({ stdout }: { readonly stdout: string }): string[] {
  return stdout.split('\n').filter(Boolean);
}
