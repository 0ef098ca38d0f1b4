import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { setLinkFault } from '#lab/lossy-link.ts';
import { inNamespace } from '#lab/network.ts';
import type { Finding } from '#protocol/admin/doctor-api.ts';
import { background } from '../server/boot/dhcp/foreign-programs.ts';
import { noLab } from './lab-turn.ts';
import { Road } from './road.ts';

const hosts = ['pc-1', 'pc-2', 'pc-3', 'pc-4'];
const SECOND_SERVER = 'pc-4';
const subnet = '[[boot.subnet]]\nnetwork = "10.77.0.0/24"\npool_first = "10.77.0.200"\npool_last = "10.77.0.220"\n';

test('the doctor names a deaf host, a host behind a slow link, a second DHCP server and a host that sleeps', {
  skip: noLab,
}, async (t) => {
  const moreConfig = `[boot]\ndhcp = "full"\ntftp = "off"\n${subnet}[session]\nlost_after_s = 10\n`;
  const road = await Road.build(t, { hosts, images: [], usedMiB: 12, linkMbit: 100, moreConfig });
  const { lab } = road;
  await setLinkFault(lab.topology, lab.host('pc-2'), { multicastLoss: 1 });
  await setLinkFault(lab.topology, lab.host('pc-3'), { mbit: 10 });

  // The fourth machine becomes a DHCP server, and no host any more.
  await lab.cutPower(lab.host(SECOND_SERVER));
  const fixed = [
    '--port=0',
    '--leasefile-ro',
    '--interface=eth0',
    '--bind-interfaces',
    '--log-facility=-',
    '--no-ping',
  ];
  const dnsmasq = ['dnsmasq', '--no-daemon', '--conf-file=/dev/null', ...fixed, '--dhcp-range=10.77.0.230,10.77.0.240'];
  const rival = await background(t, inNamespace(lab.host(SECOND_SERVER).namespace, dnsmasq), 'sockets bound');
  await road.untilAway(SECOND_SERVER);

  const asked = await lab.fleetcast(['--json', 'doctor', '--group', 'all']);
  assert.equal(asked.exitCode, 3, asked.stderr);
  const { findings } = JSON.parse(asked.stdout) as { findings: Finding[] };
  const about = (host: string | undefined, check: string) =>
    findings.filter((finding) => finding.host === host && finding.check === check);
  const [deaf] = about('pc-2', 'multicast');
  assert.equal(deaf?.level, 'attention', asked.stdout);
  assert.match(deaf.text, /^deaf: heard none of \d+ datagrams/);
  assert.match(deaf.next!, /querier/);
  const [slow] = about('pc-3', 'multicast');
  assert.equal(slow?.level, 'attention', asked.stdout);
  const [, mbit] = /something lets only about ([\d.]+) Mbit\/s through$/.exec(slow.text) ?? [];
  assert.ok(Number(mbit) < 50, slow.text);
  assert.equal(about('pc-1', 'multicast')[0]?.level, 'ok', asked.stdout);
  for (const host of ['pc-1', 'pc-2', 'pc-3']) assert.equal(about(host, 'disk').length, 1, asked.stdout);
  const [second] = about(undefined, 'dhcp');
  assert.equal(second?.level, 'attention', asked.stdout);
  assert.equal(second.text, `Another DHCP server gives addresses on eth0: ${lab.host(SECOND_SERVER).address}`);
  assert.equal(about(undefined, 'igmp')[0]?.level, 'ok', asked.stdout);
  assert.match(about(SECOND_SERVER, 'host')[0]!.text, /^asleep: not checked/);

  // Nothing of it is left behind: the hosts wait for orders again, and those that were asleep are woken and switched off.
  rival.kill();
  await once(rival, 'exit');
  lab.powerOn(lab.host(SECOND_SERVER), 'asleep');
  await road.untilAsleep([SECOND_SERVER]);
  const woken = await lab.fleetcast(['--json', 'doctor', '--hosts', SECOND_SERVER, '--wake']);
  const found = (JSON.parse(woken.stdout) as { findings: Finding[] }).findings;
  assert.equal(
    found.find(({ host, check }) => host === SECOND_SERVER && check === 'multicast')?.level,
    'ok',
    woken.stdout,
  );
  await road.untilAsleep([SECOND_SERVER]);
});
