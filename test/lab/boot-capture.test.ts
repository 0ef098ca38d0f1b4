import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bootTalk, readCapture, renderTalk } from '#lab/boot-capture.ts';
import { readTalk } from '../server/boot/golden-talk.ts';

const { datagrams } = readTalk('ovmf-pxe');
const frames = datagrams.map(({ from, to, bytes }) => frame(from, to, bytes));
const header = Buffer.alloc(24);

test('what a machine and the server said is read from a pcap file, each thing once, without the data of TFTP', () => {
  const data = frame('10.77.0.1:60818', '10.77.0.250:25304', Buffer.from('\0\x03\0\x01data', 'latin1'));
  const later = Buffer.from(datagrams[0]!.bytes);
  later.writeUInt32BE(7, 4);
  const again = frame('0.0.0.0:68', '255.255.255.255:67', later);
  const other = frame('10.77.0.250:5000', '10.77.0.1:5001', Buffer.from('something else'));
  const pcap = Buffer.concat([header, ...[...frames, data, again, other].map(record), record(again).subarray(0, 40)]);
  const found = bootTalk(readCapture(pcap));
  assert.deepEqual(
    found.map(({ bytes }) => bytes.toString('hex')),
    datagrams.map(({ bytes }) => bytes.toString('hex')),
  );
  const text = renderTalk(['a head'], found, ({ from }) => from !== '10.77.0.1');
  assert.match(text, /^# a head\n> 0\.0\.0\.0:68 255\.255\.255\.255:67 DISCOVER\n0101/);
  assert.deepEqual(
    [...text.matchAll(/^[<>] (.*)$/gm)].map(([, line]) => line),
    datagrams.map(({ from, to, name }) => `${from} ${to} ${name}`),
  );
});

/** Ethernet, IPv4 and UDP headers before it, as far as a reader looks. */
function frame(from: string, to: string, bytes: Buffer): Buffer {
  const [[source, sourcePort], [target, targetPort]] = [from, to].map((text) => text.split(':')) as [
    string[],
    string[],
  ];
  const head = Buffer.alloc(42);
  head.writeUInt16BE(0x0800, 12);
  head[14] = 0x45;
  head[23] = 17;
  Buffer.from(source!.split('.').map(Number)).copy(head, 26);
  Buffer.from(target!.split('.').map(Number)).copy(head, 30);
  head.writeUInt16BE(Number(sourcePort), 34);
  head.writeUInt16BE(Number(targetPort), 36);
  head.writeUInt16BE(bytes.length + 8, 38);
  return Buffer.concat([head, bytes]);
}

function record(bytes: Buffer): Buffer {
  const head = Buffer.alloc(16);
  head.writeUInt32LE(bytes.length, 8);
  return Buffer.concat([head, bytes]);
}
