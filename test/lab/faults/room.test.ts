import assert from 'node:assert/strict';
import { freemem } from 'node:os';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { setCable } from '#lab/fault/cable.ts';
import { LoopDisk } from '#lab/fault/loop-disk.ts';
import { receiversOf, signalPrograms } from '#lab/fault/running-program.ts';
import { noSlowDisk, slowDisk } from '#lab/slow-disk.ts';
import { noLab } from '../lab-turn.ts';
import { FaultLab, MID_CAST } from './fault-lab.ts';

const MIB = 1024 * 1024;
/** Two programs a host. */
const NEEDED_BYTES = 42 * 140 * MIB;
/** What two processors carry for so many agents at an MTU of 1500 (facts: 100 % of the wire at 10 Mbit/s). */
const LINK_MBIT = 10;
/** Payload of udpcast in a packet on the wire. */
const PAYLOAD_SHARE = 1456 / 1514;
const FAST_BYTES_PER_SECOND = 1e9;

const names = Array.from({ length: 42 }, (_, i) => `pc-${String(i + 1).padStart(2, '0')}`);
const [killed, rebooted, slow, cut, late, full] = names as [string, string, string, string, string, string];
const victims = [killed, rebooted, slow, cut, late, full];
const noRoom = freemem() < NEEDED_BYTES && 'forty-two hosts need 6 GiB of free memory';

test('a room of 42 with six faults at once: 36 do not care, five are repaired, one fails for what it has', {
  skip: noLab || (noSlowDisk() ?? noRoom),
}, async (t) => {
  let fullDisk!: LoopDisk;
  const faulty = await FaultLab.build(t, {
    hosts: names,
    images: ['one'],
    usedMiB: 32,
    linkMbit: LINK_MBIT,
    async prepare(lab) {
      fullDisk = await LoopDisk.give(lab, lab.host(full), { roomBytes: 8 * MIB });
    },
  });
  const { lab } = faulty.road;
  slowDisk(lab.folder, lab.host(slow), (LINK_MBIT * 1e6) / 8 / 10);
  const played = await faulty.play({
    hosts: names,
    victims,
    off: [late],
    options: ['--start', String(names.length - 1)],
    async faults(sessionId) {
      await faulty.untilSent(sessionId, MID_CAST);
      assert.equal(signalPrograms(receiversOf(lab.host(killed)), 'SIGKILL'), 1);
      await lab.cutPower(lab.host(rebooted));
      await setCable(lab.topology, lab.host(cut), 'out');
      lab.powerOn(lab.host(rebooted));
      lab.powerOn(lab.host(late));
      await delay(20_000);
      await setCable(lab.topology, lab.host(cut), 'in');
      await faulty.untilOthersServed(sessionId, victims);
      slowDisk(lab.folder, lab.host(slow), FAST_BYTES_PER_SECOND);
    },
  });
  // The wire itself is what it is compared with: a clean run would take as long again.
  faulty.cleanS = (played.session.casts[0]!.bytes * 8) / (LINK_MBIT * 1e6 * PAYLOAD_SHARE);
  const ofFull = played.session.tasks.find(({ host }) => host === full)!;
  assert.equal(ofFull.error?.code, 'DISK_WRITE_FAILED', JSON.stringify(ofFull));
  assert.equal(played.session.succeeded, names.length - 1);
  await faulty.assertNoTableAt(fullDisk.filePath);
  await faulty.conclude(t, { 'room-of-42': victims.filter((name) => name !== full) }, played, [full]);
});
