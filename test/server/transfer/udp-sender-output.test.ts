import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { LineCutter, momentOf, readSenderLine, type SenderLine } from '#server/transfer/udp-sender-output.ts';

/**
 * golden/ holds what udp-sender 20120424 of Debian 12 wrote in network namespaces: dead-receiver: two receivers, one of them
 * killed after 2 s (40,000,000 bytes at 60 Mbit/s, --retries-until-drop 20); nobody: --start-timeout 6 without a receiver;
 * slow-cables: 16,000,000 bytes at 100 Mbit/s to five receivers, two of them (10.77.0.11 and .12) behind links of 20 Mbit/s.
 */
function readGolden(name: string, step: number): SenderLine[] {
  const text = readFileSync(join(import.meta.dirname, 'golden', name), 'utf8');
  const cutter = new LineCutter();
  const lines: string[] = [];
  for (let at = 0; at < text.length; at += step) lines.push(...cutter.push(text.slice(at, at + step)));
  return lines.map(readSenderLine).filter((line) => line !== undefined);
}

for (const step of [1, 7, 4096]) {
  test(`stderr of a real cast, read ${step} bytes at a time, tells who joined and how far it is`, () => {
    const lines = readGolden('dead-receiver.stderr', step);
    assert.deepEqual(lines.slice(0, 2), [
      { kind: 'joined', receiver: 0, address: '10.78.0.3' },
      { kind: 'joined', receiver: 1, address: '10.78.0.2' },
    ]);
    const bytes = lines.filter((line) => line.kind === 'progress').map((line) => line.bytes);
    assert.deepEqual(bytes.slice(0, 2), [3_727_360, 7_454_720]);
    assert.equal(bytes.at(-1), 40_000_000);
  });
}

test('the log of a real cast tells when it began, who was waited for long, and who was dropped', () => {
  const lines = readGolden('dead-receiver.log', 4096);
  const awaited = lines.filter((line) => line.kind === 'awaited');
  assert.deepEqual(
    lines.filter((line) => line.kind !== 'awaited'),
    [
      { kind: 'started', daySeconds: 3 * 3600 + 24 * 60 + 28.91907 },
      { kind: 'dropped', receiver: 0 },
    ],
  );
  assert.deepEqual([...new Set(awaited.map(({ receivers }) => receivers.join()))], ['0']);
});

test('a real cast to two slow cables names them: one was last in nearly every slice, both are waited for long', () => {
  const slices = readGolden('slow-cables.stderr', 4096).filter((line) => line.kind === 'progress');
  const last = slices.map(({ lastReceiver }) => lastReceiver);
  assert.equal(last.filter((receiver) => receiver === 0 || receiver === 1).length, last.length - 1);
  const awaited = readGolden('slow-cables.log', 4096).filter((line) => line.kind === 'awaited');
  assert.equal(awaited.length, 22);
  assert.deepEqual(awaited[0], { kind: 'awaited', daySeconds: 9 * 3600 + 40 * 60 + 40.257324, receivers: [0, 1] });
});

test('a cast to which nobody came says nothing that we use', () => {
  assert.deepEqual(readGolden('nobody.stderr', 4096), []);
  assert.deepEqual(readGolden('nobody.log', 4096), []);
});

test('retransmits and large counts are read', () => {
  // Lines of udpcast 20120424; from 1e9 bytes on the number carries a K.
  assert.deepEqual(readSenderLine('bytes= 12 067 328  re-xmits=0000208 (  6.4%) slice=0112 -   5'), {
    kind: 'progress',
    bytes: 12_067_328,
    retransmits: 208,
    lastReceiver: 5,
  });
  assert.deepEqual(readSenderLine('bytes=  1 953 125K re-xmits=0000000 (  0.0%) slice=0512 -   0'), {
    kind: 'progress',
    bytes: 1_953_125 * 1024,
    retransmits: 0,
    lastReceiver: 0,
  });
});

test('a time of day becomes a moment, also across midnight', () => {
  const midnight = Date.UTC(2026, 10, 22);
  assert.equal(momentOf(12.5, midnight + 14_000), midnight + 12_500);
  assert.equal(momentOf(86_399, midnight + 2000), midnight - 1000);
});
