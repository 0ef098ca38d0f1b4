import assert from 'node:assert/strict';
import { test } from 'node:test';
import { onLines, readProgress, udpReceiverArgv } from '#agent/receive/udp-receiver.ts';

const cast = {
  castId: '5-1',
  nonce: '0102030405060708',
  portBase: 9004,
  startTimeoutS: 20,
  receiveTimeoutS: 30,
  frames: 10,
  bytes: 1000,
};

test('udp-receiver gets an interface, a large buffer, its port base and both time limits', () => {
  assert.deepEqual(udpReceiverArgv('eth0', cast), [
    ...[
      'setpriv',
      '--pdeathsig',
      'INT',
      'env',
      '--ignore-signal=PIPE',
      'udp-receiver',
      '--nokbd',
      '--interface',
      'eth0',
    ],
    ...['--rcvbuf', '4m', '--exit-wait', '100', '--start-timeout', '20', '--receive-timeout', '30'],
    ...['--portbase', '9004'],
  ]);
});

test('a rendezvous group of the order is passed on', () => {
  assert.deepEqual(udpReceiverArgv('eth0', { ...cast, rdvAddress: '239.192.77.1' }).slice(-2), [
    '--mcast-rdv-address',
    '239.192.77.1',
  ]);
});

test('progress lines are read with their grouped digits and their suffix', () => {
  // As printed by udp-receiver 20120424.
  assert.deepEqual(readProgress('bytes=      9 784 320  ( 96.69 Mbps)'), { bytes: 9_784_320, mbit: 96.69 });
  assert.deepEqual(readProgress('bytes=  1 234 567K ( 10.00 Mbps)'), { bytes: 1_234_567 * 1024, mbit: 10 });
  assert.equal(readProgress('Transfer complete.'), undefined);
});

test('lines end in carriage returns or newlines, wherever the pieces are cut', () => {
  const lines: string[] = [];
  const take = onLines((line) => lines.push(line));
  for (const piece of ['Udp-receiver 2012\nbytes= 1', ' 000 \r', 'bytes= 2 000 \r\n', 'Transfer'])
    take(Buffer.from(piece));
  assert.deepEqual(lines, ['Udp-receiver 2012', 'bytes= 1 000', 'bytes= 2 000']);
});
