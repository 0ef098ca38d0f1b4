import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Report } from '#protocol/agent-api.ts';
import { SessionProbe } from '#server/sessions/session-probe.ts';
import type { Clock } from '#system/clock.ts';

const ports = { portBase: 9000, dataAddress: '239.192.78.5', rdvAddress: '239.192.78.4' } as ConstructorParameters<
  typeof SessionProbe
>[1];
/** Every wait is over at once, after what was due before it. */
const clock: Clock = {
  nowMs: () => 0,
  steadyMs: () => 0,
  sleep: () => new Promise((resolve) => setImmediate(resolve)),
};
const listening: Report = {
  rev: 'r',
  status: 'working',
  progress: { phase: 'probe', doneBytes: 0, totalBytes: 0, bytesPerSecond: 0 },
};
const signal = new AbortController().signal;

test('when all have heard the first round, there is no second', async () => {
  const probe = new SessionProbe([1, 2], ports, 200);
  const rounds: number[] = [];
  for (const id of [1, 2]) probe.note(id, listening);
  const heard = await probe.run(
    async (round) => {
      rounds.push(round);
      for (const id of [1, 2])
        probe.note(id, { ...listening, probe: { nonce: probe.order.nonce, heard: 130, of: 130 } });
    },
    clock,
    signal,
  );
  assert.deepEqual(rounds, [0]);
  assert.deepEqual([...heard.values()], Array(2).fill({ heard: 130, of: 130 }));
});

test('a round is sent again for who listens and is silent; who stays so is deaf, who never listened is not judged', async () => {
  const probe = new SessionProbe([1, 2, 3], ports, 200);
  const rounds: number[] = [];
  for (const id of [1, 2]) probe.note(id, listening);
  const heard = await probe.run(
    async (round) => {
      rounds.push(round);
      if (round === 1) probe.note(1, { ...listening, probe: { nonce: probe.order.nonce, heard: 3, of: 4 } });
    },
    clock,
    signal,
  );
  assert.deepEqual(rounds, [0, 1, 2]);
  assert.deepEqual(Object.fromEntries(heard), { 1: { heard: 3, of: 100 }, 2: { heard: 0, of: 200 } });
});

test('a host that never listens costs no further round: what counts is that all that listen have heard', async () => {
  const probe = new SessionProbe([1, 2, 3], ports, 200);
  const rounds: number[] = [];
  const waits: number[] = [];
  for (const id of [1, 2]) probe.note(id, listening);
  const heard = await probe.run(
    async (round) => {
      rounds.push(round);
      // What they heard is reported while the round is still waited for.
      setImmediate(() => {
        for (const id of [1, 2])
          probe.note(id, { ...listening, probe: { nonce: probe.order.nonce, heard: 200, of: 200 } });
      });
    },
    {
      ...clock,
      // Who is waited for after the joining is waited for without end.
      sleep: (ms) => (waits.push(ms) === 1 ? Promise.resolve() : new Promise(() => {})),
    },
    signal,
  );
  assert.deepEqual(rounds, [0]);
  assert.equal(waits.length, 2);
  assert.deepEqual([...heard.keys()], [1, 2]);
});
