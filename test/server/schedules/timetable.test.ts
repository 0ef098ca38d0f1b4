import assert from 'node:assert/strict';
import { test } from 'node:test';
import { KnownError } from '#protocol/errors.ts';
import { Timetable, type TimetableSpec } from '#server/schedules/timetable.ts';

/** The next `count` times after `after`, as the zone's clocks show them, with their offset from UTC in hours. */
function times(spec: TimetableSpec, after: string, count: number): string[] {
  const timetable = Timetable.read(spec);
  const found: string[] = [];
  for (let at = timetable.next(Date.parse(after)); at !== undefined && found.length < count; at = timetable.next(at)) {
    found.push(new Date(at).toLocaleString('sv-SE', { timeZone: spec.tz }).slice(5, 16));
  }
  return found;
}

const problemOf = (spec: TimetableSpec) => {
  try {
    Timetable.read(spec);
  } catch (error) {
    assert.ok(error instanceof KnownError && error.code === 'SCHEDULE_INVALID');
    return error.message;
  }
  return undefined;
};

test('a time on weekdays comes on weekdays, in its own time zone', () => {
  const spec = { cron: '0 2 * * 1-5', tz: 'Europe/Berlin' };
  assert.deepEqual(times(spec, '2026-11-19T12:00Z', 3), ['11-20 02:00', '11-23 02:00', '11-24 02:00']);
  assert.equal(Timetable.read(spec).next(Date.parse('2026-11-19T12:00Z')), Date.parse('2026-11-20T01:00Z'));
});

test('a time that the clock change leaves out becomes the first instant after the gap', () => {
  const berlin = times({ cron: '30 2 * * *', tz: 'Europe/Berlin' }, '2026-03-28T00:00Z', 3);
  assert.deepEqual(berlin, ['03-28 02:30', '03-29 03:00', '03-30 02:30']);
  const newYork = times({ cron: '30 2 * * *', tz: 'America/New_York' }, '2026-03-07T12:00Z', 2);
  assert.deepEqual(newYork, ['03-08 03:00', '03-09 02:30']);
});

test('a time that comes twice when the clock goes back is run the first time only', () => {
  const berlin = Timetable.read({ cron: '30 2 * * *', tz: 'Europe/Berlin' });
  const first = berlin.next(Date.parse('2026-10-24T12:00Z'))!;
  assert.equal(first, Date.parse('2026-10-25T00:30Z'));
  assert.equal(berlin.next(first), Date.parse('2026-10-26T01:30Z'));
  const newYork = Timetable.read({ cron: '30 1 * * *', tz: 'America/New_York' });
  const once = newYork.next(Date.parse('2026-10-31T12:00Z'))!;
  assert.equal(once, Date.parse('2026-11-01T05:30Z'));
  assert.equal(newYork.next(once), Date.parse('2026-11-02T06:30Z'));
});

test('a time of every half hour follows real minutes through both clock changes', () => {
  const timetable = Timetable.read({ cron: '*/30 * * * *', tz: 'Europe/Berlin' });
  for (const day of ['2026-03-29T00:00Z', '2026-10-25T00:00Z']) {
    for (let i = 0; i < 8; i++) {
      const at = Date.parse(day) + i * 30 * 60_000;
      assert.equal(timetable.next(at), at + 30 * 60_000);
    }
  }
});

test('a window ends at the next such time of day, also on the night of a clock change', () => {
  const timetable = Timetable.read({ cron: '0 22 * * *', tz: 'Europe/Berlin', until: '06:00' });
  const hours = (start: string) => (timetable.untilOf(Date.parse(start))! - Date.parse(start)) / 3_600_000;
  assert.equal(hours('2026-11-20T21:00Z'), 8);
  assert.equal(hours('2026-03-28T21:00Z'), 7);
  assert.equal(hours('2026-10-24T20:00Z'), 9);
  assert.equal(Timetable.read({ cron: '0 22 * * *', tz: 'Europe/Berlin' }).untilOf(0), undefined);
});

test('a single time comes once, and one that does not exist is refused', () => {
  const at = Timetable.read({ at: '2026-11-23 02:00', tz: 'Europe/Berlin' });
  const dueMs = Date.parse('2026-11-23T01:00Z');
  assert.equal(at.next(0), dueMs);
  assert.equal(at.next(dueMs), undefined);
  assert.match(problemOf({ at: '2026-03-29 02:30', tz: 'Europe/Berlin' })!, /there is no 2026-03-29 02:30 in Europe/);
  assert.match(problemOf({ at: '2026-02-30 02:30', tz: 'Europe/Berlin' })!, /2026-02-30/);
});

test('what cannot be meant is refused and says what is wrong', () => {
  const tz = 'Europe/Berlin';
  assert.match(problemOf({ cron: '61 2 * * *', tz })!, /not a cron expression: Invalid value for minute: 61/);
  for (const cron of ['0 2 * *', '@daily', '0 0 2 * * *', '', '2026-11-23T02:00:00']) {
    assert.match(problemOf({ cron, tz }) ?? 'accepted', /is not a cron expression/, cron);
  }
  assert.match(problemOf({ cron: '0 2 31 2 *', tz })!, /never comes/);
  assert.match(problemOf({ cron: '0 2 * * *', tz: 'Mars/Olympus' })!, /no time zone Mars/);
  assert.match(problemOf({ cron: '0 2 * * *', tz, until: '6' })!, /--until 6/);
  assert.match(problemOf({ cron: '0 2 * * *', tz, until: '24:00' })!, /--until 24:00/);
  assert.match(problemOf({ tz })!, /either --cron or --at/);
  assert.match(problemOf({ cron: '0 2 * * *', at: '2026-11-23 02:00', tz })!, /either --cron or --at/);
});
