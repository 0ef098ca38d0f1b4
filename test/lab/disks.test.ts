import assert from 'node:assert/strict';
import { closeSync, mkdirSync, openSync, readFileSync, readSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import type { SessionView } from '#protocol/admin/session-api.ts';
import { run } from '#system/run.ts';
import { noLab } from './lab-turn.ts';
import { Road } from './road.ts';

test('a disk of which something is mounted is refused before a write, the other host goes on, and its disk is wiped afterwards', {
  skip: noLab,
}, async (t) => {
  const hosts = ['pc-1', 'pc-2'];
  const road = await Road.build(t, { hosts, images: ['one'], usedMiB: 16, linkMbit: 100 });
  const used = road.lab.diskOf(road.lab.host('pc-1'));
  await run(['mke2fs', '-q', '-t', 'ext4', used]);
  const point = join(road.lab.folder.path, 'mounted');
  mkdirSync(point);
  // After its hello: the plan cannot know, the agent must.
  await run(['mount', '-o', 'loop,ro', used, point]);
  const before = readFileSync(used);
  try {
    const sessionId = await road.deploy('one', hosts, ['--start', 'now']);
    const session = await road.until(sessionId, 'ended', ({ state }) => state === 'completed');
    assert.deepEqual(
      session.tasks.map(({ state, error }) => error?.code ?? state),
      ['DISK_IN_USE', 'succeeded'],
    );
    assert.ok(readFileSync(used).equals(before), 'not a byte was written');
  } finally {
    await run(['umount', point]);
  }
  await road.assertDeployed('one', ['pc-2']);

  const serial = (host: string) => `serial=${road.lab.host(host).diskSerial}`;
  const shown = await road.lab.fleetcast(['wipe', '--hosts', 'pc-2', '--disk', serial('pc-1'), '--dry-run']);
  assert.equal(shown.exitCode, 11, 'the rule names the disk of another host');
  assert.match(shown.stdout, /pc-2 has no disk that fits the rule serial=.*: not serial=/);
  const words = ['wipe', '--hosts', 'pc-2', '--disk', serial('pc-2')];
  assert.equal((await road.lab.fleetcast(words)).exitCode, 2, 'nobody is there to ask');
  const wiped = await road.lab.fleetcast(['--json', ...words, '--yes']);
  assert.equal(wiped.exitCode, 0, wiped.stdout + wiped.stderr);
  const session = JSON.parse(wiped.stdout.trim().split('\n').at(-1)!) as SessionView;
  assert.deepEqual([session.kind, session.tasks[0]!.wipeResult?.method], ['wipe', 'zeros']);
  assertZero(road.lab.diskOf(road.lab.host('pc-2')));
  const report = await road.cli(['session', 'report', String(session.sessionId)]);
  assert.match(report, /zeros were written; \d+ blocks of 1 MiB \(.*\): all empty/);
  assert.match((await road.events(session.sessionId)).join('\n'), /wipes a disk of pc-2[\s\S]*pc-2 wipes its disk/);
  await road.untilAsleep(['pc-2']);
});

function assertZero(path: string): void {
  const file = openSync(path, 'r');
  const piece = Buffer.alloc(4 * 1024 * 1024);
  for (let got = 1; got > 0; ) {
    got = readSync(file, piece);
    assert.ok(piece.subarray(0, got).every((byte) => byte === 0));
  }
  closeSync(file);
}
