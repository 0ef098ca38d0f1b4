import assert from 'node:assert/strict';
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
  const faulty = await FaultLab.build(t, { hosts, images: ['one'], usedMiB: 40, linkMbit: LINK_MBIT });
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

  for (const [fault, mbit] of [
    ['link-slow', LINK_MBIT / 2],
    ['link-10', 10],
  ] as const) {
    await t.test(
      `a cable of ${mbit} Mbit/s: its host is parked or set aside, and the others have everything before it`,
      async (t) => {
        await setLinkFault(topology, victim, { mbit });
        const played = await faulty.play({ hosts, victims, options: ['--delta', 'never'] });
        const parked = played.events.filter(({ action }) => action === 'parked');
        assert.deepEqual(
          parked.map(({ host, text }) => [host, /^pc-1 hears .* (will be repaired|is served afterwards)$/.test(text)]),
          [['pc-1', true]],
        );
        const servedAtMs = (isVictim: boolean) =>
          played.events
            .filter(({ host, action }) => action === 'verifying' && victims.includes(host!) === isVictim)
            .map(({ atMs }) => atMs);
        assert.ok(Math.max(...servedAtMs(false)) < Math.min(...servedAtMs(true)), 'pc-1 was waited for');
        await faulty.conclude(t, { [fault]: victims }, played);
      },
    );
  }

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
