import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import type { ScheduleRun } from '#protocol/admin/schedule-api.ts';
import { noLab } from './lab-turn.ts';
import { Road } from './road.ts';

const LIMIT_MS = 600_000;

test('at its time a schedule wakes a room that sleeps, re-images and verifies it, and its history says so', {
  skip: noLab,
}, async (t) => {
  const hosts = ['pc-1', 'pc-2', 'pc-3'];
  const road = await Road.build(t, { hosts, images: ['win11'], usedMiB: 48, linkMbit: 1000 });
  await road.cli(['power', 'off', ...hosts]);
  await road.untilAsleep(hosts);
  const when = ['--cron', '* * * * *', '--tz', 'Europe/Berlin'];
  const what = ['--', 'deploy', 'win11', '--hosts', hosts.join(','), '--on-done', 'poweroff'];
  await road.cli(['schedule', 'add', 'nightly', '--yes', ...when, ...what]);
  const began = await untilRun(road, ({ state }) => state === 'running');
  // One night is enough.
  await road.cli(['schedule', 'pause', 'nightly']);
  const session = await road.untilCompleted(began.sessionId!);
  assert.deepEqual(
    session.tasks.map(({ host, deployResult }) => [host, deployResult?.verifiedChunks === deployResult?.chunks]),
    hosts.map((host) => [host, true]),
  );
  const { succeeded, failed, kind, leftOut } = await untilRun(road, ({ state }) => state === 'ended');
  assert.deepEqual({ succeeded, failed, kind, leftOut }, { succeeded: 3, failed: 0, kind: 'time', leftOut: [] });
  assert.match(await road.cli(['schedule', 'history', 'nightly']), /ended .* 3 done, 0 failed/);
  await road.untilAsleep(hosts);
  await road.assertDeployed('win11', hosts);
});

/** The first run, when it is as wanted. */
async function untilRun(road: Road, isSo: (run: ScheduleRun) => boolean): Promise<ScheduleRun> {
  const deadline = performance.now() + LIMIT_MS;
  for (;;) {
    const runs = (await road.lab.get('/api/v1/schedules/nightly/runs')) as ScheduleRun[];
    const first = runs.at(-1);
    if (first !== undefined && isSo(first)) return first;
    assert.ok(performance.now() < deadline, `the run is not as wanted: ${JSON.stringify(runs)}`);
    await delay(200);
  }
}
