import assert from 'node:assert/strict';
import { test } from 'node:test';
import { udpReceiverArgv } from '#agent/receive/udp-receiver.ts';
import { bareReceiverArgs, bareSenderArgs, readCastSeconds } from '#lab/bare-cast.ts';
import { udpSenderArgs } from '#server/transfer/udp-sender-args.ts';

test('the bare sender is run with the options that the daemon uses', () => {
  const daemons = udpSenderArgs({
    mode: 'multicast',
    interface: 'eth0',
    portBase: 9500,
    dataAddress: '239.192.78.200',
    rdvAddress: '239.192.77.1',
    ttl: 1,
    receivers: 8,
    maxWaitS: 30,
    startTimeoutS: 30,
    retriesUntilDrop: 11,
    logPath: '/log',
  });
  assert.deepEqual(bareSenderArgs(8, '239.192.78.200', '/log'), daemons);
});

test('the bare receiver is run with the options that the agent uses, and throws away what it gets', () => {
  const agents = udpReceiverArgv('eth0', {
    castId: '',
    nonce: '',
    portBase: 9500,
    rdvAddress: '239.192.77.1',
    startTimeoutS: 30,
    receiveTimeoutS: 30,
    frames: 0,
    bytes: 0,
  });
  assert.deepEqual(bareReceiverArgs(), [...agents.slice(agents.indexOf('udp-receiver')), '--file', '/dev/null']);
});

test('the time of a bare cast is read from the log of udp-sender, also past midnight', () => {
  const log = (start: string, end: string) =>
    `${start} Starting transfer: 00000009\n${start} Inst BW=48.0\n${end} Transfer complete.\n`;
  assert.equal(readCastSeconds(log('03:32:34.250000', '03:32:39.500000')), 5.25);
  assert.equal(readCastSeconds(log('23:59:59.500000', '00:00:01.000000')), 1.5);
  assert.throws(() => readCastSeconds('03:32:34.250000 Starting transfer: 00000009\n'));
});
