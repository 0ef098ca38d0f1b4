import assert from 'node:assert/strict';
import { test } from 'node:test';
import { diskNotesOf } from '#server/sessions/disk-note.ts';

const session = { kind: 'deploy', sessionId: 5, image: 'win11', version: 2 } as const;
const disk = {
  path: '/dev/sda',
  model: 'Samsung 980',
  serial: 'S1',
  sizeBytes: 1e9,
  sectorBytes: 512,
  transport: 'nvme',
  removable: false,
  readOnly: false,
  inUse: false,
  content: 'gpt: 1 ntfs',
};

const identity = { model: 'Samsung 980', serial: 'S1', sizeBytes: 1e9, sectorBytes: 512 };
const twin = { disk: { ...identity, serial: 'S2' } };
const own = { disk, castBytes: 1, httpBytes: 0, verifiedChunks: 1 };

test('a disk that is being written is told so, until its task has succeeded', () => {
  for (const state of ['receiving', 'repairing'] as const) {
    assert.deepEqual(diskNotesOf(session, { state, disk: identity }), [
      { disk: identity, content: 'half-written by session 5 (win11@2)' },
    ]);
  }
  const deployResult = { ...own, chunks: 1 };
  const notes = diskNotesOf(session, { state: 'succeeded', disk: identity, deployResult });
  assert.deepEqual(notes, [{ disk: identity, content: 'gpt: 1 ntfs' }]);
});

test('all disks of a task are being written; when one has failed, only the others hold the image', () => {
  const task = { disk: identity, twins: [twin] };
  assert.equal(diskNotesOf(session, { ...task, state: 'receiving' }).length, 2);
  const error = { code: 'DISK_WRITE_FAILED' as const, message: 'it is gone', next: 'replace it' };
  const twinDisk = { ...disk, serial: 'S2' };
  const deployResult = {
    ...own,
    chunks: 1,
    disks: [
      { ...own, error },
      { ...own, disk: twinDisk },
    ],
  };
  assert.deepEqual(diskNotesOf(session, { ...task, state: 'failed', deployResult }), [
    { disk: twin.disk, content: 'gpt: 1 ntfs' },
  ]);
});

test('states in which nothing is written, and captures, change nothing', () => {
  for (const state of ['booting', 'preparing', 'ready', 'failed', 'cancelled'] as const) {
    assert.deepEqual(diskNotesOf(session, { state, disk: identity }), []);
  }
  assert.deepEqual(diskNotesOf({ ...session, kind: 'capture' }, { state: 'receiving', disk: identity }), []);
});
