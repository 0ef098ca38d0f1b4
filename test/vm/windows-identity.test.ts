/** NTFS with a Windows-like tree: its name and its unattend.xml are written by the agent's own program, kernel and tools. */
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { runOnWorkbench } from '#lab/workbench.ts';
import { run } from '#system/run.ts';
import { makeEmptyFile } from '#test/client-agent/filesystems.ts';
import { makeSystemHive, readHive } from '#test/client-agent/finishers/hive.ts';
import { writeInto } from '#test/client-agent/test-disk.ts';
import { tempFolder } from '#test/temp-folder.ts';
import { takeWorkbenchTurn } from '../lab/lab-turn.ts';
import { bundleAgentScript } from './agent-script.ts';
import { buildBootAssets, noVm } from './vm-road.ts';

const MiB = 1024 * 1024;
const SIZE = 32 * MiB;
const ANSWERS = '<ComputerName>{{hostname}}</ComputerName><!-- {{serial}} -->\n';

/** Runs the finishers as the step `finish` does. */
const driver = `
import { createHash } from 'node:crypto';
import { runFinishers } from './client-agent/orders/finish.js';
const answers = Buffer.from(${JSON.stringify(ANSWERS)});
const digest = createHash('sha256').update(answers).digest('hex');
const volume = { kind: 'partition', partition: 1, filesystem: 'ntfs', startBytes: ${MiB}, sizeBytes: ${SIZE} };
const results = await runFinishers(
  {
    steps: [
      { name: 'computer-name', onError: 'fail', limitS: 120 },
      { name: 'answers', digest, to: 'windows/panther/unattend.xml', onError: 'fail', limitS: 60 },
    ],
    host: 'pc-07', n: 7, hostname: 'lab-{{n:2}}',
  },
  {
    disk: { path: '/dev/vda', sectorBytes: 512 }, manifest: { volumes: [volume] }, changes: [],
    link: { readFinisher: async () => answers }, signal: new AbortController().signal,
    readInventory: async () => ({ serial: 'S<7>', mac: '52:54:00:00:00:07', firmware: 'bios' }),
  },
);
console.log('RESULTS ' + JSON.stringify(results));
`;

/** Fills the volume as Windows would, runs the driver, and prints what it said and what is there then. */
const script = `
set -e
mount -t ntfs3 /dev/vda1 /mnt
mkdir -p /mnt/Windows/System32/config /mnt/Windows/Panther
busybox tar -C /mnt/Windows/System32/config -xf /dev/vdb SYSTEM
umount /mnt
export NAPI_RS_NATIVE_LIBRARY_PATH=$(busybox find /usr/lib/fleetcast/node_modules/@napi-rs -name '*.node')
node /usr/lib/fleetcast/finish.js
mount -t ntfs3 -o ro /dev/vda1 /mnt
echo "ANSWERS $(cat /mnt/Windows/Panther/unattend.xml)"
busybox dd if=/mnt/Windows/System32/config/SYSTEM of=/dev/vdc 2>/dev/null
umount /mnt
`;

test('a Windows on NTFS gets its computer name and its unattend.xml', { skip: noVm }, async (t) => {
  await takeWorkbenchTurn(t);
  const assets = await buildBootAssets();
  const folder = tempFolder(t);
  const [disk, volume, archive, out, hive] = ['disk', 'volume', 'hive.tar', 'out', 'SYSTEM'].map((name) => {
    return join(folder, name);
  }) as [string, string, string, string, string];
  makeEmptyFile(disk, SIZE + 2 * MiB);
  await run(['sfdisk', '--quiet', disk], { input: `label: dos\n\nd1 : start=2048, size=${SIZE / 512}, type=7\n` });
  makeEmptyFile(volume, SIZE);
  await run(['mkntfs', '--fast', '--force', '--quiet', '--partition-start', '2048', volume]);
  writeInto(disk, MiB, readFileSync(volume));
  await makeSystemHive(hive);
  await run(['tar', '-C', folder, '-cf', archive, 'SYSTEM']);
  makeEmptyFile(out, MiB);
  const files = { 'usr/lib/fleetcast/finish.js': await bundleAgentScript(driver) };
  const { output, exitCode } = await runOnWorkbench({
    ...{ assets, workDir: join(folder, 'bench'), disks: [disk, archive, out], script, files },
  });
  assert.equal(exitCode, 0, output);
  assert.match(output, /"log":"GOLDEN is now LAB-07 \(ControlSet001\)"/);
  assert.match(output, /ANSWERS <ComputerName>lab-07<\/ComputerName><!-- S&lt;7&gt; -->/);
  writeFileSync(hive, readFileSync(out));
  assert.match(await readHive(hive, '\\ControlSet001\\Control\\ComputerName\\ComputerName'), /"LAB-07"/);
  assert.match(await readHive(hive, '\\ControlSet001\\Services\\Tcpip\\Parameters'), /"NV Hostname"="lab-07"/);
});
