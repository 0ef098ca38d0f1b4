import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { setCable } from '#lab/fault/cable.ts';
import { setLinkFault } from '#lab/lossy-link.ts';
import { noLab } from '../lab-turn.ts';
import { FaultLab, MID_CAST } from './fault-lab.ts';

const hosts = ['pc-1', 'pc-2', 'pc-3', 'pc-4'];
const victims = ['pc-1'];
const LINK_MBIT = 30;

test('faults of cables', { skip: noLab }, async (t) => {
  const faulty = await FaultLab.build(t, { hosts, images: ['one'], usedMiB: 24, linkMbit: LINK_MBIT });
  const { topology } = faulty.road.lab;
  const victim = faulty.road.lab.host('pc-1');
  await faulty.playClean(hosts);

  await t.test('a cable that is pulled for 20 s', async (t) => {
    const played = await faulty.play({
      hosts,
      victims,
      async faults(sessionId) {
        await faulty.untilSent(sessionId, MID_CAST);
        await setCable(topology, victim, 'out');
        await delay(20_000);
        await setCable(topology, victim, 'in');
      },
    });
    await faulty.conclude(t, { 'link-cut': victims }, played);
  });

  await t.test('a cable at half the speed of the cast', async (t) => {
    await setLinkFault(topology, victim, { mbit: LINK_MBIT / 2 });
    const played = await faulty.play({ hosts, victims });
    await faulty.conclude(t, { 'link-slow': victims }, played);
  });

  await t.test('a cable that loses one packet in a hundred', async (t) => {
    await setLinkFault(topology, victim, { loss: 0.01 });
    const played = await faulty.play({ hosts, victims });
    await faulty.conclude(t, { 'loss-1': victims }, played);
  });

  await t.test('a cable that loses one packet in twenty', async (t) => {
    await setLinkFault(topology, victim, { loss: 0.05 });
    const played = await faulty.play({ hosts, victims });
    await faulty.conclude(t, { 'loss-5': victims }, played);
  });
});
