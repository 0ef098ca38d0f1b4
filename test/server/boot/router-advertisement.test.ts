import assert from 'node:assert/strict';
import { test } from 'node:test';
import { routerAdvertisement } from '#server/boot/router-advertisement.ts';
import { run } from '#system/run.ts';
import { makeServer, startDaemon } from './daemon-on-segment.ts';
import { ask } from './dhcp/foreign-programs.ts';
import { firmware } from './dhcp/requests.ts';
import { type Machine, Segment } from './dhcp/segment.ts';

const skip = process.getuid?.() === 0 ? false : 'network namespaces need root';

test('a router advertisement says to one machine that there is no router', () => {
  const frame = routerAdvertisement('52:54:00:77:ff:01', '52:54:00:77:80:01');
  assert.equal(
    frame.toString('hex'),
    [
      '525400778001' + '52540077ff01' + '86dd',
      '60000000' + '0010' + '3aff',
      'fe80000000000000' + '505400fffe77ff01',
      'fe80000000000000' + '505400fffe778001',
      // type 134, code 0, checksum, hop limit 0, no flag, lifetime 0, no times
      '8600' + '5e19' + '00000000' + '0000000000000000',
    ].join(''),
  );
});

test('an iPXE that is answered gets one, and no other machine or client does', { skip }, async (t) => {
  const lan = await Segment.make(t);
  const { argv } = await makeServer(t, lan, ['dhcp_clients = "all"']);
  const [pc, other] = [await lan.addMachine('pc', '10.77.0.77/24'), await lan.addMachine('other', '10.77.0.78/24')];
  await startDaemon(t, argv);
  await ask(pc, { ...firmware.ipxeBios(), op: 2 }, 0);
  await ask(pc, firmware.ovmfPxe(), 0);
  assert.deepEqual(await routersHeard(pc), { good: 0, bad: 0 });
  await ask(pc, firmware.ipxeBios(), 1);
  assert.deepEqual(await routersHeard(pc), { good: 1, bad: 0 });
  assert.deepEqual(await routersHeard(other), { good: 0, bad: 0 });
});

/** Router advertisements that the machine's kernel took, and ICMPv6 messages that it threw away (a wrong checksum, say). */
async function routersHeard(machine: Machine): Promise<{ good: number; bad: number }> {
  const { stdout } = await run(machine.on('cat', '/proc/net/snmp6'));
  const count = (name: string) => Number(new RegExp(`^${name}\\s+(\\d+)$`, 'm').exec(stdout)?.[1]);
  return { good: count('Icmp6InRouterAdvertisements'), bad: count('Icmp6InErrors') };
}
