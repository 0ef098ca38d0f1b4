import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type SenderPlan, udpSenderArgs } from '#server/transfer/udp-sender-args.ts';

const plan: SenderPlan = {
  mode: 'multicast',
  interface: 'eth1',
  portBase: 9010,
  dataAddress: '239.192.78.5',
  rdvAddress: '239.192.77.1',
  ttl: 1,
  receivers: 42,
  maxWaitS: 15,
  startTimeoutS: 30,
  retriesUntilDrop: 11,
  logPath: '/var/lib/fleetcast/casts/3-1.log',
};

test('a multicast cast is one line of full-duplex udp-sender that starts when all hosts have joined', () => {
  assert.equal(
    udpSenderArgs(plan).join(' '),
    'udp-sender --full-duplex --slice-size 512 --min-receivers 42 --max-wait 15 --retries-until-drop 11 ' +
      '--rexmit-hello-interval 200 --nopointopoint --start-timeout 30 --portbase 9010 --mcast-data-address 239.192.78.5 ' +
      '--mcast-rdv-address 239.192.77.1 --ttl 1 --nokbd --interface eth1 --log /var/lib/fleetcast/casts/3-1.log --bw-period 1 ' +
      '--stat-period 100',
  );
});

test('a broadcast cast names no multicast group', () => {
  const args = udpSenderArgs({ ...plan, mode: 'broadcast' });
  assert.ok(args.includes('--broadcast'));
  assert.ok(!args.some((arg) => arg.startsWith('--mcast') || arg.startsWith('239.')));
});

test('a one-way cast asks for no answers, sends spare packets, and begins after so many hellos', () => {
  const args = udpSenderArgs({ ...plan, mode: 'oneway', fec: '4x16/64', maxMbit: 90 }).join(' ');
  assert.match(args, /^udp-sender --async --fec 4x16\/64 --autostart 15 /);
  assert.match(args, /--mcast-data-address 239\.192\.78\.5 .*--max-bitrate 90000k$/);
  assert.doesNotMatch(args, /full-duplex|retries|min-receivers/);
});

test('a single receiver is still sent to by multicast', () => {
  assert.ok(udpSenderArgs({ ...plan, receivers: 1 }).includes('--nopointopoint'));
});

test('a rate is given in kilobits and stays below what overflows udp-sender', () => {
  const rateOf = (maxMbit: number) => udpSenderArgs({ ...plan, maxMbit }).at(-1);
  assert.equal(rateOf(90), '90000k');
  assert.equal(rateOf(2.5), '2500k');
  assert.equal(rateOf(10_000), '2100000k');
});
