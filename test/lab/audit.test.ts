import assert from 'node:assert/strict';
import { closeSync, openSync, readSync, writeSync } from 'node:fs';
import { test } from 'node:test';
import type { SessionView } from '#protocol/admin/session-api.ts';
import { noLab } from './lab-turn.ts';
import { Road } from './road.ts';

const SECTOR_BYTES = 4096;
const FROM_BYTES = 8 * 1024 * 1024;

/** Turns over every bit of the first used sector behind `FROM_BYTES`. */
function spoil(diskPath: string): void {
  const file = openSync(diskPath, 'r+');
  const sector = Buffer.alloc(SECTOR_BYTES);
  for (let at = FROM_BYTES; ; at += SECTOR_BYTES) {
    assert.equal(readSync(file, sector, 0, SECTOR_BYTES, at), SECTOR_BYTES, 'the disk has no used sector');
    if (sector.every((byte) => byte === 0)) continue;
    writeSync(
      file,
      sector.map((byte) => byte ^ 0xff),
      0,
      SECTOR_BYTES,
      at,
    );
    break;
  }
  closeSync(file);
}

test('two waves follow each other, and an audit finds the one host whose disk has drifted since, and changes nothing', {
  skip: noLab,
}, async (t) => {
  const hosts = ['pc-1', 'pc-2'];
  const road = await Road.build(t, { hosts, images: ['one'], usedMiB: 16, linkMbit: 100 });
  const sessionId = await road.deploy('one', hosts, ['--waves', '1,rest']);
  const deployed = await road.untilCompleted(sessionId);
  const [canary, other] = deployed.tasks;
  assert.deepEqual([deployed.wave, deployed.waveCount, deployed.casts.length], [2, 2, 2]);
  assert.ok(canary!.endedAtMs! <= other!.startedAtMs!, 'the second host was called when the first was done');
  assert.match(await road.cli(['session', 'report', String(sessionId)]), /^2 done \(all verified\), 0 failed\.$/m);
  const words = ['audit', ...hosts, '--image', 'one', '--on-done'];
  const equal = await road.lab.fleetcast([...words, 'stay']);
  assert.equal(equal.exitCode, 0, equal.stdout + equal.stderr);
  assert.match(equal.stdout, /2 done \(2 equal, 0 differ\)/);
  spoil(road.lab.diskOf(road.lab.host('pc-2')));
  const differs = await road.lab.fleetcast(['--json', ...words, 'poweroff']);
  assert.equal(differs.exitCode, 3, differs.stdout + differs.stderr);
  const session = JSON.parse(differs.stdout.trim().split('\n').at(-1)!) as SessionView;
  const [first, second] = session.tasks.map(({ auditResult }) => auditResult!);
  assert.equal(first!.differingChunks, 0);
  assert.equal(second!.differingChunks, 1);
  assert.equal(second!.volumes.filter(({ differingChunks }) => differingChunks > 0).length, 1);
  await road.untilAsleep(hosts);
  await road.assertDeployed('one', ['pc-1']);
});
