import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Moment, measurePhases } from '#bench/boot-phases.ts';

const moments: readonly Moment[] = [
  { atMs: 900, from: 'daemon', text: 'dhcp: OFFER of somebody before' },
  { atMs: 3000, from: 'daemon', text: 'dhcp: OFFER 10.77.0.250, boots undionly.kpxe' },
  { atMs: 4000, from: 'daemon', text: 'GET /boot/v1/files/vmlinuz' },
  { atMs: 5000, from: 'daemon', text: 'GET /boot/v1/files/stage1.img' },
  { atMs: 8000, from: 'console', text: 'fleetcast: looking for the network card' },
  { atMs: 9500, from: 'console', text: 'fleetcast: fetching the agent' },
  { atMs: 12_000, from: 'console', text: 'fleetcast: looking for disks' },
  { atMs: 15_000, from: 'console', text: 'fleetcast agent 0.1.0: asking http://10.77.0.1:8470' },
  { atMs: 15_500, from: 'console', text: 'this host is bios' },
];

test('a phase goes from the end of the one before to its own, and all of them make the whole', () => {
  const seconds = measurePhases(1000, moments);
  assert.deepEqual(
    [seconds.firmware, seconds.loader, seconds.kernel, seconds.stage1, seconds.squashfs, seconds.hello, seconds.all],
    [2, 2, 3, 1.5, 2.5, 0.5, 14.5],
  );
});

test('a phase whose end was not seen has no time, and the next one has it', () => {
  const { disks, node } = measurePhases(1000, moments);
  assert.deepEqual([disks, node], [Number.NaN, 3]);
});
