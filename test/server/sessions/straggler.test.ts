/**
 * Series recorded from real casts in the lab: five hosts on 60 Mbit/s, 30 MB, what their agents reported and what udp-sender said
 * (the daemon logs both at level trace). golden/series-NAME.json: `report` ms, host, received, queued, buffer, stalled, written/s;
 * `wait` ms, hosts, long, sent, retransmits. The host that is done something to is 10.77.0.12, of two also .13.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { addSample, beginTrack, type HostTrack } from '#server/sessions/host-track.ts';
import type { Wire } from '#server/sessions/slow-cable.ts';
import { findStragglers, type Straggler } from '#server/sessions/straggler.ts';
import type { SenderWait } from '#server/transfer/cast.ts';

type Line =
  | ['report', number, string, number, number, number, number, number]
  | ['wait', number, string[], boolean, number, number];

interface Series {
  readonly castBytes: number;
  readonly hosts: readonly string[];
  readonly lines: readonly Line[];
}

const rule = { parkQueuePercent: 50, parkWaitedPercent: 80, parkDelayPercent: 3 };
/** 57 Mbit/s, as the clean cast before had shown. */
const seen: Wire = { seenBytesPerSecond: 7_125_000, promisedBytesPerSecond: 117_500_000 };

function load(name: string): Series {
  return JSON.parse(readFileSync(join(import.meta.dirname, 'golden', `series-${name}.json`), 'utf8')) as Series;
}

/** Who is to be parked first, and when, in ms from the first line. `fullShare`: part of the time in which udp-sender took nothing. */
function play(
  { castBytes, hosts, lines }: Series,
  wire = seen,
  fullShare = 1,
): { atMs: number; found: Straggler[] } | undefined {
  const tracks = new Map<string, HostTrack>(hosts.map((address, taskId) => [address, beginTrack(taskId)]));
  const waits: SenderWait[] = [];
  for (const line of lines) {
    const [, atMs] = line;
    if (line[0] === 'report') {
      const [, , address, receivedBytes, queuedBytes, bufferBytes, stalledMs, writtenBytesPerSecond] = line;
      const stream = { receivedBytes, queuedBytes, bufferBytes, stalledMs };
      tracks.set(address, addSample(tracks.get(address)!, { atMs, stream, writtenBytesPerSecond }));
    } else {
      const [, , addresses, isLong, sentBytes, retransmits] = line;
      waits.push({ atMs, addresses, isLong, sentBytes, retransmits, fullMs: atMs * fullShare });
    }
    const cableHosts = hosts.map((address) => ({ ...tracks.get(address)!, address }));
    const found = findStragglers({ hosts: cableHosts, waits, castBytes, wire }, rule);
    if (found.length > 0) return { atMs, found };
  }
  return undefined;
}

const quiet = { clean: 'of a clean cast', 'all-cables-20': 'of a cast to five cables that are all slow alike' };
for (const [name, what] of Object.entries(quiet)) {
  test(`in the series ${what} nobody is to be parked, whatever the wire is believed to give`, () => {
    assert.equal(play(load(name)), undefined);
    assert.equal(play(load(name), { ...seen, seenBytesPerSecond: undefined }), undefined);
  });
}

test('in the series of a disk of 600 kB/s its host is parked for its disk', () => {
  const { found } = play(load('slow-disk'))!;
  assert.deepEqual(
    found.map(({ cause, taskId }) => [cause, taskId]),
    [['disk', 1]],
  );
});

test('in the series of a cable of 10 Mbit/s its host is parked for its cable, before a tenth of the cast is out', () => {
  const series = load('cable-10');
  const { atMs, found } = play(series)!;
  assert.ok(atMs < 3000, `${atMs} ms`);
  const [straggler] = found;
  assert.ok(straggler?.cause === 'cable' && found.length === 1 && straggler.taskId === 1);
  assert.equal(straggler.waitedPercent, 100);
  assert.equal(straggler.resentPercent, 0);
  assert.equal(Math.round((straggler.paceBytesPerSecond * 8) / 1e5), 96);
  const sent = series.lines.findLast((line) => line[0] === 'wait' && line[1] <= atMs)![4] as number;
  assert.ok(sent < series.castBytes / 10);
});

test('a switch with a small buffer drops what the cable does not take: packets that are sent again say the same', () => {
  const [straggler] = play(load('cable-30-shallow'))!.found;
  assert.ok(straggler?.cause === 'cable' && straggler.taskId === 1);
  assert.ok(straggler.resentPercent > 30, `${straggler.resentPercent} %`);
});

test('two cables of the same speed come last in turn and are parked together', () => {
  const { found } = play(load('two-cables-20'))!;
  assert.deepEqual(
    found.map(({ cause, taskId }) => [cause, taskId]),
    [
      ['cable', 1],
      ['cable', 2],
    ],
  );
});

test('a cable of 48 Mbit/s is waited for as well, but the others would gain less than its host loses', () => {
  assert.equal(play(load('cable-48')), undefined);
});

test('a cable that loses 5 % of its packets costs the cast no more than what is sent again: its host stays, but in a large room', () => {
  const series = load('loss-5');
  assert.equal(play(series), undefined);
  assert.equal(play(series, { ...seen, seenBytesPerSecond: undefined }), undefined);
  const long = { ...series, castBytes: 10 * series.castBytes };
  assert.equal(play(long), undefined, 'four others gain less than it loses');
  const others = Array.from({ length: 37 }, (_, i) => `10.77.1.${i}`);
  const [found] = play({ ...long, hosts: [...series.hosts, ...others] })!.found;
  assert.deepEqual([found?.cause, found?.taskId], ['cable', 1]);
});

test('a host that is always last in a cast which waits for nobody and sends nothing again is left alone', () => {
  const clean = load('clean');
  const lines = clean.lines.map(
    (line): Line => (line[0] === 'wait' ? ['wait', line[1], ['10.77.0.12'], false, line[4], 0] : line),
  );
  assert.equal(play({ ...clean, lines }, { ...seen, seenBytesPerSecond: undefined }), undefined);
});

test('a host with a filling buffer is not taken for one with a slow cable, and near the end nobody is parked', () => {
  const series = load('cable-10');
  const isFilling = series.lines.map(
    (line): Line =>
      line[0] === 'report' && line[2] === '10.77.0.12'
        ? ['report', line[1], line[2], line[3], 3e6, 8e6, 0, line[7]]
        : line,
  );
  assert.equal(play({ ...series, lines: isFilling }), undefined);
  const lastWait = series.lines.findLast((line) => line[0] === 'wait' && line[1] < 3000)!;
  assert.equal(
    play({
      ...series,
      lines: series.lines.filter(([, atMs]) => atMs < 3000),
      castBytes: (lastWait[4] as number) + 3e5,
    }),
    undefined,
  );
});

test('when passes have never been quicker, the links are believed: the same host may have held those back', () => {
  const heldBefore = { ...seen, seenBytesPerSecond: 1_200_000 };
  assert.deepEqual(
    play(load('cable-10'), heldBefore)?.found.map(({ taskId }) => taskId),
    [1],
  );
});

test('a cable of 1 Mbit/s, which takes six seconds for a slice, is told after three of them', () => {
  const series = load('cable-10');
  const lines = series.lines.map((line) => line.with(1, line[1] * 10) as Line);
  const { atMs, found } = play({ ...series, lines })!;
  assert.deepEqual(
    found.map(({ cause, taskId }) => [cause, taskId]),
    [['cable', 1]],
  );
  assert.ok(atMs < 30_000, `${atMs} ms`);
});

test('udp-sender that takes all that it is given is held by the server, not by the host that is always last', () => {
  assert.equal(play(load('cable-10'), seen, 0.1), undefined);
  assert.equal(play(load('cable-10'), seen, 0.9)?.found[0]?.taskId, 1);
});
