import assert from 'node:assert/strict';
import { closeSync, fstatSync, globSync, openSync, readSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { receiversOf, sendersOf, signalPrograms } from '#lab/fault/running-program.ts';
import { noSlowDisk, slowDisk } from '#lab/slow-disk.ts';
import type { SessionView } from '#protocol/admin/session-api.ts';
import { noLab } from '../lab-turn.ts';
import { endOf, FaultLab, MID_CAST, tellRow } from './fault-lab.ts';
import { type FaultId, matrix } from './matrix.ts';

const hosts = ['pc-1', 'pc-2', 'pc-3', 'pc-4'];
const READ_BYTES_PER_SECOND = 8e6;
/** What finishing writes is small: a table at both ends, a swap header. */
const FINISH_BYTES_PER_SECOND = 8192;
const FAST_BYTES_PER_SECOND = 1e9;

test('faults of the server', { skip: noLab || (noSlowDisk() ?? false) }, async (t) => {
  const faulty = await FaultLab.build(t, { hosts, images: ['one'], usedMiB: 24, linkMbit: 30 });
  const { road } = faulty;
  const { lab } = road;
  await faulty.playClean(hosts);

  await t.test('udp-sender is killed: another pass brings the rest', async (t) => {
    const played = await faulty.play({
      hosts,
      victims: [],
      async faults(sessionId) {
        await faulty.untilSent(sessionId, MID_CAST);
        assert.equal(signalPrograms(sendersOf(lab.topology), 'SIGKILL'), 1);
      },
    });
    await faulty.conclude(t, { 'sender-killed': hosts }, played);
  });

  await t.test('the daemon is killed in each state of one session', async (t) => {
    const movedOnS = new Map<FaultId, number>();
    const kill = async (fault: FaultId, sessionId: number, isOn: (session: SessionView) => boolean) => {
      const killedAt = performance.now();
      await lab.stopDaemon('SIGKILL');
      await road.startDaemon();
      await road.until(sessionId, `going on after ${fault}`, isOn);
      movedOnS.set(fault, (performance.now() - killedAt) / 1000);
    };
    const taskOf = ({ tasks }: SessionView, name: string) => tasks.find(({ host }) => host === name)!;
    slowDisk(lab.folder, lab.host('pc-2'), READ_BYTES_PER_SECOND, 'read');
    const play = { hosts, victims: ['pc-1', 'pc-2'], off: ['pc-4'] };
    const sessionId = await faulty.begin(play);

    await road.until(sessionId, 'three are ready', ({ tasks }) => tasks.filter(isReady).length === 3);
    await kill('daemon-gathering', sessionId, ({ state, tasks }) => {
      return state === 'gathering' && tasks.filter(isReady).length === 3;
    });
    lab.powerOn(lab.host('pc-4'));

    await faulty.untilSent(sessionId, MID_CAST);
    await kill('daemon-casting', sessionId, ({ casts }) => casts.length === 2 && casts[1]!.firstByteAtMs !== undefined);

    // What this host loses comes over HTTP.
    assert.equal(signalPrograms(receiversOf(lab.host('pc-1')), 'SIGKILL'), 1);
    const repairing = await faulty.untilTask(sessionId, 'pc-1', 'in mid-repair', ({ state, progress }) => {
      return state === 'repairing' && progress?.phase === 'repair' && progress.doneBytes > 0;
    });
    assert.ok(repairing.progress!.doneBytes < repairing.progress!.totalBytes);
    await kill('daemon-repairing', sessionId, (session) => hasMoved(taskOf(session, 'pc-1'), 'repair'));

    await faulty.untilTask(sessionId, 'pc-2', 'reading back', ({ state, progress }) => {
      return state === 'verifying' && progress?.phase === 'verify' && progress.doneBytes > 0;
    });
    slowDisk(lab.folder, lab.host('pc-2'), FINISH_BYTES_PER_SECOND);
    await kill('daemon-verifying', sessionId, (session) => hasMoved(taskOf(session, 'pc-2'), 'verify'));

    await faulty.untilTask(sessionId, 'pc-2', 'finishing', ({ state }) => state === 'finishing');
    await kill('daemon-finishing', sessionId, (session) => taskOf(session, 'pc-2').state === 'succeeded');
    slowDisk(lab.folder, lab.host('pc-2'), FAST_BYTES_PER_SECOND);

    const { session } = await faulty.end(play, sessionId);
    assert.equal(session.succeeded, hosts.length, JSON.stringify(session.tasks));
    await road.assertDeployed('one', hosts);
    for (const [fault, seconds] of movedOnS) {
      const ended = [...new Set(session.tasks.map(endOf))].join('; ');
      tellRow(t, { fault, together: [], noticedS: seconds, cleanS: faulty.cleanS, ended });
      const boundS = matrix[fault].boundS + faulty.cleanS;
      assert.ok(seconds <= boundS, `${fault}: it went on after ${seconds} s`);
    }
  });

  await t.test('two sessions at once, one is cancelled: the other does not notice', async (t) => {
    const [red, blue] = [
      { hosts: hosts.slice(0, 2), victims: [] },
      { hosts: hosts.slice(2), victims: [] },
    ];
    const cancelledId = await faulty.begin(red);
    const otherId = await faulty.begin(blue);
    await faulty.untilSent(cancelledId, MID_CAST);
    await road.cli(['session', 'cancel', String(cancelledId)]);
    const { session: cancelled } = await faulty.end(red, cancelledId);
    assert.equal(cancelled.state, 'cancelled');
    const played = await faulty.end(blue, otherId);
    await faulty.conclude(t, {}, played);
    await faulty.assertNoTable(red.hosts);
    const ended = [...new Set(cancelled.tasks.map(endOf))].join('; ');
    const noticedS = played.othersS - faulty.cleanS;
    tellRow(t, { fault: 'two-sessions', together: [], noticedS, cleanS: faulty.cleanS, ended });
  });

  await t.test('chunks of the store are damaged in mid-cast: every host says so, none claims success', async (t) => {
    const play = { hosts, victims: hosts };
    const sessionId = await faulty.begin(play);
    // The daemon and udp-sender read ahead of the wire.
    await faulty.untilSent(sessionId, 0.05);
    damagePacks(t, join(lab.folder.path, 'data/store/packs'));
    const { session } = await faulty.end(play, sessionId);
    assert.equal(session.state, 'failed');
    const ended = [...new Set(session.tasks.map(endOf))].join('; ');
    assert.equal(ended, 'failed: IMAGE_DAMAGED', JSON.stringify(session.tasks));
    await faulty.assertNoTable(hosts);
    const tookS = (session.endedAtMs! - session.casts[0]!.firstByteAtMs!) / 1000;
    const noticedS = tookS - faulty.cleanS;
    tellRow(t, { fault: 'store-damaged', together: [], noticedS, cleanS: faulty.cleanS, ended });
  });
});

function isReady({ state }: { state: string }): boolean {
  return state === 'ready';
}

/** Its agent says that it does this step now, or it is further already. */
function hasMoved({ state, progress }: SessionView['tasks'][number], phase: string): boolean {
  return state === 'succeeded' || state === 'finishing' || (progress?.phase === phase && progress.doneBytes > 0);
}

/** Zeroes bytes in the last third of every pack until the test ends: behind what was read, before the index. */
function damagePacks(t: TestContext, folder: string): void {
  for (const name of globSync('**/*.pack', { cwd: folder })) {
    const file = openSync(join(folder, name), 'r+');
    const { size } = fstatSync(file);
    const [from, length] = [Math.floor(size * 0.85), Math.floor(size * 0.05)];
    const kept = Buffer.alloc(length);
    readSync(file, kept, 0, length, from);
    writeSync(file, Buffer.alloc(length), 0, length, from);
    t.after(() => {
      writeSync(file, kept, 0, length, from);
      closeSync(file);
    });
  }
}
