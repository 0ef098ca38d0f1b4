import assert from 'node:assert/strict';
import { test } from 'node:test';
import { defaultConfig } from '#server/config.ts';
import type { SessionRow } from '#server/db/session-row.ts';
import { type PassCast, senderPlanOf } from '#server/sessions/pass-cast.ts';

const config = defaultConfig();

/** What udp-sender is held to, in Mbit/s. */
function rateOf(request: object, linkMbit: number | undefined): number | undefined {
  const row = { sessionId: 1, kind: 'deploy', request: { mode: 'multicast', ...request } } as unknown as SessionRow;
  const ports = { portBase: 9000, dataAddress: '239.192.78.0' };
  const cast = { castId: '1-1', ports, receivers: 2, linkMbit } as unknown as PassCast;
  return senderPlanOf(row, cast, 'eth0', config).maxMbit;
}

test('a cast goes at the lowest of what was asked for and what its hosts can hear', () => {
  assert.equal(rateOf({}, undefined), undefined);
  assert.equal(rateOf({}, 95), 95);
  assert.equal(rateOf({ maxMbit: 500 }, 95), 95);
  assert.equal(rateOf({ maxMbit: 50 }, 95), 50);
});

test('a one-way cast waits for nobody: it keeps the rate that was asked for', () => {
  assert.equal(rateOf({ mode: 'oneway', maxMbit: 200 }, 95), 200);
});
