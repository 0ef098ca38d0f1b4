import assert from 'node:assert/strict';
import { test } from 'node:test';
import { renderDelta, renderKept } from '#cli/delta-view.ts';
import type { PlanHost } from '#protocol/admin/plan-api.ts';
import { planHost, session, succeeded } from './sample-views.ts';

const hashing = { hash: true, hashSeconds: 40, moveShare: 0.03, deltaSeconds: 55, fullSeconds: 480 };

function host(name: string, more: Partial<NonNullable<PlanHost['delta']>> = {}): PlanHost {
  return planHost(name, { delta: { ...hashing, because: 'its disk has had win11-lab@3 since session 12', ...more } });
}

test('hosts with the same estimates share a line that tells both roads and why one was chosen', () => {
  const unknown = { hash: false, moveShare: 1, deltaSeconds: 520, because: 'nothing is known of its disk' };
  const hosts = [...['pc-1', 'pc-2', 'pc-3', 'pc-4', 'pc-5'].map((name) => host(name)), host('pc-6', unknown)];
  assert.deepEqual(renderDelta(hosts)?.split('\n'), [
    'Delta: 5 hosts hash their disks first, 1 host takes everything.',
    '  pc-1, pc-2, pc-3 and 2 others: hash 40s + move ~3 % = 55s, against everything 8m00s (its disk has had win11-lab@3 since session 12)',
    '  pc-6: everything 8m00s, against hash 40s + move ~100 % = 8m40s (nothing is known of its disk)',
  ]);
});

test('when nothing is known of any disk there is nothing to tell', () => {
  assert.equal(renderDelta([host('pc-1', { hash: false, moveShare: 1 })]), undefined);
  assert.equal(renderDelta([planHost('pc-1')]), undefined);
});

test('a receipt says what was left alone on the disks', () => {
  const plain = succeeded('pc-1');
  const kept = succeeded('pc-2', { deployResult: { ...plain.deployResult!, keptBytes: 39e9 } });
  assert.equal(renderKept(session('completed', [plain])), undefined);
  assert.equal(
    renderKept(session('completed', [plain, kept, kept])),
    'Left as it was, because hashing found it right: 78.0 GB on 2 hosts.',
  );
});
