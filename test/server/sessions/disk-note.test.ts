import assert from 'node:assert/strict';
import { test } from 'node:test';
import { diskNoteOf } from '#server/sessions/disk-note.ts';

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

test('a disk that is being written is told so, until its task has succeeded', () => {
  for (const state of ['receiving', 'repairing'] as const) {
    assert.equal(diskNoteOf(session, { state }), 'half-written by session 5 (win11@2)');
  }
  const deployResult = { disk, chunks: 1, castBytes: 1, httpBytes: 0, verifiedChunks: 1 };
  assert.equal(diskNoteOf(session, { state: 'succeeded', deployResult }), 'gpt: 1 ntfs');
});

test('states in which nothing is written, and captures, change nothing', () => {
  for (const state of ['booting', 'preparing', 'ready', 'failed', 'cancelled'] as const) {
    assert.equal(diskNoteOf(session, { state }), undefined);
  }
  assert.equal(diskNoteOf({ ...session, kind: 'capture' }, { state: 'receiving' }), undefined);
});
