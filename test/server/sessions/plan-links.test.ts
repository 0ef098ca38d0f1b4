import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { DeployRequest } from '#protocol/admin/deploy-api.ts';
import type { HostView } from '#protocol/admin/host-api.ts';
import type { DeployPlan } from '#protocol/admin/plan-api.ts';
import { withSetAside } from '#server/sessions/plan-links.ts';

const known = { parkDelayPercent: 3, seenBytesPerSecond: undefined };

/** `hosts`: link in Mbit/s and wave of each. */
function planned(hosts: readonly (readonly [number, number?])[], more: object = {}, caps: object = {}): DeployPlan {
  const views = hosts.map(([linkMbit], hostId) => ({ hostId, inventory: { linkMbit } })) as unknown as HostView[];
  const plan = {
    ...{ storedBytes: 12e9, expectedSeconds: 1000, expectedBecause: 'one pass' },
    hosts: hosts.map(([, wave], hostId) => ({ hostId, host: `pc-${hostId}`, ...(wave === undefined ? {} : { wave }) })),
  } as unknown as DeployPlan;
  return withSetAside(plan, { mode: 'multicast', ...more } as DeployRequest, views, { ...known, ...caps });
}

function asideOf({ hosts }: DeployPlan): string[] {
  return hosts.filter(({ setAside }) => setAside !== undefined).map(({ host }) => host);
}

test('of each wave those are set aside who hold up the others of the same wave', () => {
  const plan = planned([
    [100, 1],
    [1000, 2],
    [100, 2],
    [1000, 2],
    [1000, 2],
  ]);
  assert.deepEqual(asideOf(plan), ['pc-2'], 'pc-0 is alone in its wave');
  assert.equal(plan.expectedBecause, 'the others of its wave first, in 103 s; then pc-2: one pass');
  assert.equal(plan.expectedSeconds, 1103);
});

test('without waves all hosts are one cast', () => {
  const plan = planned([[100], [1000], [1000]]);
  assert.deepEqual(asideOf(plan), ['pc-0']);
  assert.match(plan.expectedBecause, /^the others first, in 103 s; then pc-0: /);
});

test('a cap makes links equal, that of the interface too; and nobody waits for a link in unicast, one-way casts and audits', () => {
  const links = [[100], [1000], [1000]] as const;
  assert.deepEqual(asideOf(planned(links, {}, { interfaceMbit: 90 })), []);
  assert.deepEqual(asideOf(planned(links, { maxMbit: 90 })), []);
  for (const more of [{ mode: 'unicast' }, { mode: 'oneway' }, { audit: true }]) {
    assert.deepEqual(asideOf(planned(links, more)), []);
  }
});
