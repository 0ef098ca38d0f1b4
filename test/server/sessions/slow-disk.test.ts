import assert from 'node:assert/strict';
import { test } from 'node:test';
import { addSample, beginTrack, type HostTrack } from '#server/sessions/host-track.ts';
import { findSlowDisks } from '#server/sessions/slow-disk.ts';

const MB = 1e6;
const rule = { parkQueuePercent: 50, parkDelayPercent: 3 };

/** Reports of a host that takes stored bytes from the wire at `wire` MB/s and brings them to its disk at `disk` MB/s. */
function play(taskId: number, o: { wire: number; disk: number; bufferMB: number; seconds: number }): HostTrack {
  let track = beginTrack(taskId);
  let [received, written, stalledMs] = [0, 0, 0];
  for (let ms = 0; ms <= o.seconds * 1000; ms += 500) {
    track = addSample(track, {
      atMs: ms,
      stream: { receivedBytes: received, queuedBytes: received - written, bufferBytes: o.bufferMB * MB, stalledMs },
      writtenBytesPerSecond: o.disk * 2 * MB,
    });
    written = Math.min(received, written + (o.disk * MB) / 2);
    const room = o.bufferMB * MB - (received - written);
    const comes = Math.min((o.wire * MB) / 2, room);
    if (comes < (o.wire * MB) / 2) stalledMs += 500;
    received += comes;
  }
  return track;
}

const quick = { wire: 100, disk: 200, bufferMB: 500 };
const slow = { wire: 100, disk: 10, bufferMB: 500 };

function parked(hosts: HostTrack[], castMB = 60_000): number[] {
  return findSlowDisks({ hosts, castBytes: castMB * MB }, rule).map(({ taskId }) => taskId);
}

test('the host whose buffer fills while the others’ are empty is parked before anybody has waited', () => {
  const at = (seconds: number) => [1, 2, 3].map((id) => play(id, { ...(id === 2 ? slow : quick), seconds }));
  assert.deepEqual(parked(at(2)), [], 'its buffer is a third full: it may be a pause');
  assert.deepEqual(parked(at(4)), [2]);
  const [straggler] = findSlowDisks({ hosts: at(4), castBytes: 60_000 * MB }, rule);
  assert.equal(straggler!.writtenBytesPerSecond, 20 * MB);
  assert.equal(straggler!.othersBytesPerSecond, 400 * MB);
});

test('it is still seen when it has long held everybody back to its own pace', () => {
  // After 5 s its buffer is full: from then on all receive at its 10 MB/s.
  const held = play(2, { ...slow, seconds: 30 });
  let other = play(1, { ...quick, seconds: 5 });
  for (let ms = 5500; ms <= 30_000; ms += 500) {
    const receivedBytes = 500 * MB + (ms - 5000) * 10_000;
    const stream = { receivedBytes, queuedBytes: 0, bufferBytes: 500 * MB, stalledMs: 0 };
    other = addSample(other, { atMs: ms, stream, writtenBytesPerSecond: 20 * MB });
  }
  assert.deepEqual(parked([other, held]), [2]);
});

test('hosts that are all slow alike set the pace of the room, and nobody is parked', () => {
  assert.deepEqual(parked([1, 2, 3].map((id) => play(id, { ...slow, seconds: 10 }))), []);
  const most = [1, 2, 3, 4].map((id) => play(id, { ...(id <= 3 ? slow : quick), seconds: 10 }));
  assert.deepEqual(parked(most), [], 'most of the hosts are the room');
});

test('several slow ones among many are parked together, the slowest first', () => {
  const hosts = [1, 2, 3, 4, 5, 6, 7].map((id) =>
    play(id, { ...(id <= 2 ? { ...slow, disk: id === 1 ? 20 : 10 } : quick), seconds: 10 }),
  );
  assert.deepEqual(parked(hosts), [2, 1]);
});

test('near the end of the cast it is not parked: its buffer takes the rest, or waiting costs less', () => {
  const hosts = [play(1, { ...quick, seconds: 5 }), play(2, { ...slow, seconds: 5 })];
  assert.deepEqual(parked(hosts, 500), [], 'all that is left is in the buffer');
  assert.deepEqual(parked(hosts, 506), [], 'half a second of waiting');
  assert.deepEqual(parked(hosts, 600), [2], 'ten seconds of waiting');
});

test('one that is a little slower than the wire is not parked as long as its buffer lasts to the end', () => {
  const hosts = [play(1, { ...quick, seconds: 30 }), play(2, { ...quick, disk: 90, seconds: 30 })];
  assert.deepEqual(parked(hosts, 5000), []);
  assert.deepEqual(
    parked([play(1, { ...quick, seconds: 30 }), play(2, { ...quick, disk: 90, seconds: 30 })], 60_000),
    [2],
  );
});

test('the last host that hears a cast is never parked, and one without reports is not judged', () => {
  assert.deepEqual(parked([play(2, { ...slow, seconds: 10 })]), []);
  assert.deepEqual(parked([beginTrack(1), beginTrack(2)]), []);
});
