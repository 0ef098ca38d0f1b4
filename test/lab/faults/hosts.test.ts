import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { LoopDisk } from '#lab/fault/loop-disk.ts';
import { receiversOf, signalPrograms } from '#lab/fault/running-program.ts';
import { setLinkFault } from '#lab/lossy-link.ts';
import { noSlowDisk, slowDisk } from '#lab/slow-disk.ts';
import { noLab } from '../lab-turn.ts';
import { endOf, FaultLab, MID_CAST, tellRow } from './fault-lab.ts';
import { matrix } from './matrix.ts';

const MIB = 1024 * 1024;
const good = ['pc-1', 'pc-2', 'pc-3', 'pc-4'];
const SLOW_BYTES_PER_SECOND = 250_000;
/** Slow enough that reading back can be met while it goes on. */
const READ_BYTES_PER_SECOND = 3 * MIB;
const FAST_BYTES_PER_SECOND = 1e9;
/** In the middle of the image: its files lie from 81 to 136 MiB. */
const FORGOTTEN_FROM_BYTES = 110 * MIB;

test('faults of hosts and their disks', { skip: noLab || (noSlowDisk() ?? false) }, async (t) => {
  let reads!: LoopDisk;
  let full!: LoopDisk;
  const faulty = await FaultLab.build(t, {
    hosts: [...good, 'pc-reads', 'pc-full'],
    images: ['one'],
    usedMiB: 40,
    linkMbit: 30,
    async prepare(lab) {
      reads = await LoopDisk.give(lab, lab.host('pc-reads'));
      full = await LoopDisk.give(lab, lab.host('pc-full'), { roomBytes: 8 * MIB });
    },
  });
  const { lab } = faulty.road;
  const withReads = [...good, 'pc-reads'];
  await faulty.playClean(withReads);
  slowDisk(lab.folder, lab.host('pc-reads'), READ_BYTES_PER_SECOND, 'read');
  // Its reads are throttled: hashing would take longer than the cast.
  const slowReads = { hosts: withReads, victims: ['pc-1', 'pc-reads'], options: ['--delta', 'never'] };
  const untilReadsBack = (sessionId: number) =>
    faulty.untilTask(sessionId, 'pc-reads', 'reading back', ({ progress }) => {
      return progress?.phase === 'verify' && progress.doneBytes > 0;
    });

  await t.test('a receiver that is killed; a disk that cannot be read back', async (t) => {
    const played = await faulty.play({
      ...slowReads,
      async faults(sessionId) {
        await faulty.untilSent(sessionId, MID_CAST);
        assert.equal(signalPrograms(receiversOf(lab.host('pc-1')), 'SIGKILL'), 1);
        await untilReadsBack(sessionId);
        reads.loseReads();
      },
    });
    reads.forget(0);
    await faulty.conclude(t, { 'receiver-killed': ['pc-1'], 'read-error': ['pc-reads'] }, played);
  });

  await t.test('a receiver that stands still for a while; a disk that reads back what was not written', async (t) => {
    const played = await faulty.play({
      ...slowReads,
      async faults(sessionId) {
        await faulty.untilSent(sessionId, MID_CAST);
        const stopped = receiversOf(lab.host('pc-1'));
        assert.equal(signalPrograms(stopped, 'SIGSTOP'), 1);
        await delay(6000);
        signalPrograms(stopped, 'SIGCONT');
        await untilReadsBack(sessionId);
        reads.forget(FORGOTTEN_FROM_BYTES);
      },
    });
    assert.ok(played.events.some(({ host, action }) => host === 'pc-reads' && action === 'repairing'));
    await faulty.conclude(t, { 'receiver-stopped': ['pc-1'], 'wrong-reads': ['pc-reads'] }, played);
  });

  await t.test('a disk that does not take everything; an agent that is killed', async (t) => {
    const played = await faulty.play({
      hosts: [...good, 'pc-full'],
      victims: ['pc-1', 'pc-full'],
      async faults(sessionId) {
        await faulty.untilSent(sessionId, MID_CAST);
        assert.ok(lab.killAgent(lab.host('pc-1')));
      },
    });
    await faulty.assertNoTableAt(full.filePath);
    await faulty.conclude(t, { 'agent-restarted': ['pc-1'], 'write-error': ['pc-full'] }, played);
  });

  await t.test('a disk that is far too slow; a host that comes late', async (t) => {
    const slow = lab.host('pc-1');
    slowDisk(lab.folder, slow, SLOW_BYTES_PER_SECOND);
    const victims = ['pc-1', 'pc-2'];
    const played = await faulty.play({
      hosts: good,
      victims,
      off: ['pc-2'],
      options: ['--start', String(good.length - 1)],
      async faults(sessionId) {
        await faulty.untilSent(sessionId, MID_CAST);
        lab.powerOn(lab.host('pc-2'));
        await faulty.untilOthersServed(sessionId, victims);
        // What it lacks comes over HTTP, and a test has no hour for that.
        slowDisk(lab.folder, slow, FAST_BYTES_PER_SECOND);
      },
    });
    assert.ok(played.events.some(({ text }) => /^pc-1 writes .* parked, will be repaired$/.test(text)));
    await faulty.conclude(t, { 'slow-disk': ['pc-1'], late: ['pc-2'] }, played);
  });

  await t.test('the daemon is killed while a host is parked and another is deaf: it remembers both', async (t) => {
    const { topology } = lab;
    const [slow, deaf] = [lab.host('pc-1'), lab.host('pc-4')];
    slowDisk(lab.folder, slow, SLOW_BYTES_PER_SECOND);
    await setLinkFault(topology, deaf, { multicastLoss: 1 });
    const play = { hosts: good, victims: ['pc-1', 'pc-4'], options: ['--delta', 'never'] };
    const sessionId = await faulty.begin(play);
    await faulty.untilTask(
      sessionId,
      'pc-1',
      'parked',
      ({ parkedBytesPerSecond }) => parkedBytesPerSecond !== undefined,
    );
    const killedAt = performance.now();
    await lab.stopDaemon('SIGKILL');
    await faulty.road.startDaemon();
    const { casts } = await faulty.road.until(sessionId, 'cast again', ({ casts }) => {
      return casts.length === 2 && casts[1]!.firstByteAtMs !== undefined;
    });
    const noticedS = (performance.now() - killedAt) / 1000;
    assert.deepEqual(
      casts.map(({ receivers }) => receivers),
      [3, 2],
    );
    await faulty.untilOthersServed(sessionId, play.victims);
    slowDisk(lab.folder, slow, FAST_BYTES_PER_SECOND);
    const { session } = await faulty.end(play, sessionId);
    await setLinkFault(topology, deaf, {});
    assert.equal(session.succeeded, good.length, JSON.stringify(session.tasks));
    assert.equal(session.tasks.find(({ host }) => host === 'pc-4')!.deployResult!.castBytes, 0);
    await faulty.road.assertDeployed('one', good);
    const ended = [...new Set(session.tasks.map(endOf))].join('; ');
    tellRow(t, { fault: 'daemon-parked', together: [], noticedS, cleanS: faulty.cleanS, ended });
    const boundS = matrix['daemon-parked'].boundS + faulty.cleanS;
    assert.ok(noticedS <= boundS, `it went on after ${noticedS} s`);
  });

  await t.test('a host that loses power in mid-cast and is back at once', async (t) => {
    const played = await faulty.play({
      hosts: good,
      victims: ['pc-1'],
      async faults(sessionId) {
        await faulty.untilSent(sessionId, MID_CAST);
        await lab.cutPower(lab.host('pc-1'));
        lab.powerOn(lab.host('pc-1'));
      },
    });
    await faulty.conclude(t, { rebooted: ['pc-1'] }, played);
  });
});
