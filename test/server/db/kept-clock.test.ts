import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openDatabase } from '#server/db/database.ts';
import { KeptClock } from '#server/db/kept-clock.ts';
import { systemBootTime } from '#system/boot-time.ts';

const HOUR_MS = 3_600_000;

function makeMachine() {
  const database = openDatabase(':memory:');
  const time = { wallMs: 1_700_000_000_000, upMs: 20_000, bootId: 'first' };
  // The steady clock of a process means nothing in the next one.
  const startDaemon = () => {
    const startedMs = time.upMs;
    const clock = { nowMs: () => time.wallMs, steadyMs: () => time.upMs - startedMs };
    return new KeptClock(database, clock, { bootId: time.bootId, upMs: () => time.upMs });
  };
  return { time, startDaemon };
}

test('it begins at the time of day, and goes on whoever sets that', () => {
  const { time, startDaemon } = makeMachine();
  const kept = startDaemon();
  assert.equal(kept.keptMs(), time.wallMs);
  const end = kept.endOf(1000);
  time.wallMs += HOUR_MS;
  time.upMs += 400;
  assert.equal(end - kept.keptMs(), 600);
  assert.equal(kept.readableMs(end), time.wallMs + 600);
});

test('while the daemon is away it goes on, whatever becomes of the time of day', () => {
  const { time, startDaemon } = makeMachine();
  const end = startDaemon().endOf(10_000);
  time.upMs += 4000;
  time.wallMs -= HOUR_MS;
  assert.equal(end - startDaemon().keptMs(), 6000);
});

test('while the server is off it stands: nothing ends because a clock is wrong at boot', () => {
  const { time, startDaemon } = makeMachine();
  const end = startDaemon().endOf(10_000);
  Object.assign(time, { bootId: 'second', upMs: 5000, wallMs: time.wallMs + 9 * HOUR_MS });
  const kept = startDaemon();
  assert.equal(end - kept.keptMs(), 10_000);
  time.upMs += 3000;
  assert.equal(end - kept.keptMs(), 7000);
});

test('the boot of this machine has a name, and a time that goes on', () => {
  assert.match(systemBootTime.bootId, /^[0-9a-f-]{36}$/);
  assert.equal(systemBootTime.bootId, systemBootTime.bootId);
  assert.ok(systemBootTime.upMs() > 0);
});
