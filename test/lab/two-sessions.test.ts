import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import type { CastView } from '#protocol/admin/session-api.ts';
import { noLab } from './lab-turn.ts';
import { Road } from './road.ts';

const light = ['pc-1', 'pc-2'];
const heavy = ['pc-3', 'pc-4'];
const MB = 1e6;
const POLL_MS = 250;

test('two images are cast at the same time, by weight; when one has ended the other has it all', {
  skip: noLab,
}, async (t) => {
  const road = await Road.build(t, {
    hosts: [...light, ...heavy],
    images: ['red', 'blue'],
    usedMiB: 24,
    linkMbit: 30,
    moreConfig: '\n[[cast.interface]]\nname = "eth0"\nmbit = 24\n',
  });
  const sessions = [
    await road.deploy('red', light, ['--weight', '1']),
    await road.deploy('blue', heavy, ['--weight', '3']),
  ] as const;
  const casts = async () => {
    const [one, two] = await Promise.all(sessions.map((sessionId) => road.session(sessionId)));
    return { light: one!.casts[0]!, heavy: two!.casts[0]!, atMs: performance.now() };
  };
  const looks: Awaited<ReturnType<typeof casts>>[] = [];
  await road.until(sessions[1], 'casting', ({ casts: [cast] }) => cast?.firstByteAtMs !== undefined);
  await road.until(sessions[0], 'casting', ({ casts: [cast] }) => cast?.firstByteAtMs !== undefined);
  do {
    looks.push(await casts());
    await delay(POLL_MS);
  } while (looks.at(-1)!.light.endedAtMs === undefined);

  const { together, alone } = rates(looks);
  t.diagnostic(`light ${together.light} and heavy ${together.heavy} MB/s, then light ${alone} MB/s`);
  const relation = together.heavy / together.light;
  assert.ok(relation > 1.8 && relation < 5, `of weights 3 and 1 the rates are ${relation} to 1`);
  assert.ok(alone > together.light * 2, `alone it has ${alone} MB/s, not ${together.light}`);
  assert.notEqual(looks[0]!.light.castId, looks[0]!.heavy.castId);
  for (const sessionId of sessions) await road.untilCompleted(sessionId);
  await road.assertDeployed('red', light);
  await road.assertDeployed('blue', heavy);
});

interface Look {
  readonly light: CastView;
  readonly heavy: CastView;
  readonly atMs: number;
}

/** MB/s while both ran, and of the light one after the end of the heavy one, by what udp-sender says that it has sent. */
function rates(looks: readonly Look[]): { together: { light: number; heavy: number }; alone: number } {
  const both = looks.filter(({ heavy, light }) => isMid(heavy) && isMid(light));
  const rest = looks.filter(({ heavy, light }) => heavy.endedAtMs !== undefined && isMid(light));
  assert.ok(both.length >= 4 && rest.length >= 4, `${both.length} and ${rest.length} looks are too few`);
  const perSecond = (all: readonly Look[], read: (look: Look) => CastView) => {
    const [first, last] = [all[0]!, all.at(-1)!];
    return (read(last).sentBytes - read(first).sentBytes) / ((last.atMs - first.atMs) / 1000) / MB;
  };
  return {
    together: { light: perSecond(both, ({ light }) => light), heavy: perSecond(both, ({ heavy }) => heavy) },
    alone: perSecond(rest, ({ light }) => light),
  };
}

function isMid({ sentBytes, endedAtMs }: CastView): boolean {
  return sentBytes > 0 && endedAtMs === undefined;
}
