/** Several disks under the agent's kernel: an image of two, with LUKS in both, and one image on two disks that are told apart by nothing in it. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { runOnWorkbench } from '#lab/workbench.ts';
import type { AuditResult } from '#protocol/drift.ts';
import type { LuksContainer } from '#protocol/luks-container.ts';
import type { CaptureResult, DeployResult } from '#protocol/task-result.ts';
import { makeEmptyFile } from '#test/client-agent/filesystems.ts';
import { tempFolder } from '#test/temp-folder.ts';
import { takeWorkbenchTurn } from '../lab/lab-turn.ts';
import { bundleAgentScript } from './agent-script.ts';
import { LUKS_ROAD } from './luks-road.ts';
import { buildBootAssets, noVm } from './vm-road.ts';

const MiB = 1024 * 1024;
const OLD = 'passphrase of the source';
const NEW = 'passphrase of the room';
/** In MiB: system, data; what takes the pair; what takes the system alone. */
const DISKS = { vda: 112, vdb: 80, vdc: 112, vdd: 80, vde: 112, vdf: 128 };

const ROAD = `
${LUKS_ROAD}
await capture(['vda', 'vdb'], ['${OLD}']);
await deploy(['vdc', 'vdd'], ['${NEW}']);
await audit(['vdc', 'vdd'], ['${NEW}']);
await capture('vda', ['${OLD}']);
await deploy(['vde', 'vdf'], ['${NEW}']);
await audit(['vde', 'vdf'], ['${NEW}']);
`;

const SCRIPT = `
set -e
printf 'label: gpt\\nstart=1MiB, size=40MiB\\nsize=64MiB\\n' | sfdisk -q /dev/vda
printf 'label: gpt\\nstart=1MiB, size=72MiB\\n' | sfdisk -q /dev/vdb
busybox sleep 1
quick='--batch-mode --key-file=- --type luks2 --pbkdf pbkdf2 --pbkdf-force-iterations'
/usr/sbin/mke2fs -q -t ext4 /dev/vda1
for part in vda2 vdb1; do
  printf '${OLD}' | cryptsetup luksFormat $quick 1000 /dev/$part
  printf '${OLD}' | cryptsetup open --key-file=- /dev/$part source
  /usr/sbin/mke2fs -q -t ext4 /dev/mapper/source
  mount -t ext4 /dev/mapper/source /mnt
  echo "inside $part" >/mnt/needle; busybox seq 1 200000 >/mnt/numbers
  umount /mnt
  cryptsetup close source
done
mount -t ext4 /dev/vda1 /mnt; busybox seq 1 100000 >/mnt/numbers; umount /mnt
mv /usr/sbin/cryptsetup /usr/sbin/cryptsetup.real
cat >/usr/sbin/cryptsetup <<'END'
#!/usr/bin/busybox sh
# Key slots that take 10 ms to open instead of 2000.
for word; do shift; [ "$word" = 2000 ] && word=10; set -- "$@" "$word"; done
exec cryptsetup.real "$@"
END
chmod 755 /usr/sbin/cryptsetup
node /usr/lib/fleetcast/client-agent/road.js
echo "LEFT $(dmsetup ls)"
busybox sleep 1
for pair in vdc2:vda2 vdd1:vdb1 vde2:vda2 vdf2:vda2; do
  part=\${pair%:*}
  if printf '${OLD}' | cryptsetup open --test-passphrase --key-file=- /dev/$part 2>/dev/null; then echo "OPENS $part"; fi
  printf '${NEW}' | cryptsetup open --key-file=- --readonly /dev/$part new
  e2fsck -fn /dev/mapper/new
  mount -t ext4 -o ro,noload /dev/mapper/new /mnt
  busybox seq 1 200000 | busybox cmp - /mnt/numbers
  [ "$(cat /mnt/needle)" = "inside \${pair#*:}" ] && echo "SAME $part"
  umount /mnt
  cryptsetup close new
done
for part in vdc1 vde1 vdf1; do
  e2fsck -fn /dev/$part
  mount -t ext4 -o ro,noload /dev/$part /mnt; busybox seq 1 100000 | busybox cmp - /mnt/numbers && echo "SAME $part"; umount /mnt
done
`;

test('an image of two disks and one image on two disks are laid, audited and opened, LUKS in each with the key of the room', {
  skip: noVm,
}, async (t) => {
  await takeWorkbenchTurn(t);
  const assets = await buildBootAssets();
  const folder = tempFolder(t);
  const disks = Object.entries(DISKS).map(([name, mebibytes]) => {
    makeEmptyFile(join(folder, name), mebibytes * MiB);
    return join(folder, name);
  });
  const files = { 'usr/lib/fleetcast/client-agent/road.js': await bundleAgentScript(ROAD) };
  const bench = { assets, workDir: join(folder, 'bench'), disks, script: SCRIPT, files, memoryMiB: 1536 };
  const { output, exitCode } = await runOnWorkbench(bench);
  assert.equal(exitCode, 0, output);
  const told = <T>(name: string) =>
    [...output.matchAll(new RegExp(`^${name} (.*)$`, 'gm'))].map((match) => JSON.parse(match[1]!) as T);

  const captured = told<{ result: CaptureResult; containers: LuksContainer[] }>('CAPTURED');
  assert.deepEqual(
    captured.map(({ containers }) => containers.map(({ disk, partition }) => [disk ?? 0, partition])),
    [
      [
        [0, 2],
        [1, 1],
      ],
      [[0, 2]],
    ],
    output,
  );
  const deployed = told<{ result: DeployResult; lacking: Record<string, number> }>('DEPLOYED');
  assert.deepEqual(told('DEPLOY_FAILED'), []);
  assert.deepEqual(
    deployed.map(({ result }) => result.disks?.map(({ disk, error }) => error?.message ?? disk.path)),
    [
      ['/dev/vdc', '/dev/vdd'],
      ['/dev/vde', '/dev/vdf'],
    ],
  );
  const [pair, twins] = deployed.map(({ result }) => result);
  assert.equal(pair!.verifiedChunks, pair!.chunks);
  assert.deepEqual(
    twins!.disks!.map(({ verifiedChunks }) => verifiedChunks),
    [twins!.chunks, twins!.chunks],
  );
  const audited = told<AuditResult>('AUDITED');
  assert.deepEqual(
    audited.map(({ chunks, layoutDiffers, strayBytes = 0 }) => [chunks, layoutDiffers, strayBytes]),
    [
      [pair!.chunks, false, 0],
      [2 * twins!.chunks, false, 0],
    ],
    output,
  );
  for (const { disks: each = [] } of audited) {
    assert.deepEqual(
      each.map((one) => 'differingChunks' in one && one.differingChunks),
      [0, 0],
    );
  }
  assert.match(output, /^LEFT No devices found$/m);
  assert.deepEqual(output.match(/^OPENS .*$/gm), null, output);
  assert.deepEqual(
    output.match(/^SAME \w+$/gm)?.map((line) => line.slice(5)),
    ['vdc2', 'vdd1', 'vde2', 'vdf2', 'vdc1', 'vde1', 'vdf1'],
    output,
  );
});
