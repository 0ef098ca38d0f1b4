/** Mode `external`: the DHCP servers of others, with our snippet, tell machines what our own server would. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { makeBootLookup } from '#server/boot/boot-lookup.ts';
import { identifyClient } from '#server/boot/dhcp/client-kind.ts';
import { renderExternal } from '#server/boot/dhcp/external.ts';
import { message, option } from '#server/boot/dhcp/option.ts';
import { type DhcpPacket, FLAG_BROADCAST } from '#server/boot/dhcp/packet.ts';
import { externalFacts } from '#server/boot/network-boot.ts';
import { run } from '#system/run.ts';
import { tempFolder } from '#test/temp-folder.ts';
import { ask, background } from './foreign-programs.ts';
import { firmware, request } from './requests.ts';
import { type Machine, Segment } from './segment.ts';

const skip = process.getuid?.() === 0 ? false : 'network namespaces need root';
/** Our daemon: it answers no DHCP here, so nobody has this address. */
const own = { agentUrl: 'http://10.77.0.1:8470', address: '10.77.0.1' };
const facts = externalFacts(own);
const lookup = makeBootLookup(own.agentUrl, own.address, [facts.biosFile, facts.uefiX64File, facts.uefiArm64File]);

/** A ROM that is no iPXE: none runs in QEMU on BIOS or ARM64, so these are made. */
const rom = (arch: number) =>
  request(message.discover, {}, [
    [option.vendorClass, Buffer.from(`PXEClient:Arch:${String(arch).padStart(5, '0')}:UNDI:002001`)],
    [option.architecture, Buffer.of(0, arch)],
    [option.parameterList, Buffer.of(1, 3, 43, 60, 66, 67)],
  ]);
const clients: Readonly<Record<string, () => DhcpPacket>> = {
  'BIOS ROM': () => rom(0),
  'ARM64 ROM': () => rom(11),
  'x64 ROM that says 9': () => rom(9),
  OVMF: firmware.ovmfPxe,
  'OVMF by HTTP': firmware.ovmfHttp,
  'iPXE, BIOS': firmware.ipxeBios,
  'iPXE, UEFI': firmware.ipxeEfi,
};

/** argv and the words that it says when it is ready; its config is written into the folder. */
const servers: Readonly<Record<string, (folder: string) => { argv: string[]; ready: string }>> = {
  dnsmasq(folder) {
    const path = write(folder, renderExternal('dnsmasq', facts));
    const fixed = ['--port=0', '--leasefile-ro', '--interface=eth0', '--bind-interfaces', '--log-facility=-'];
    const range = ['--dhcp-range=10.77.0.30,10.77.0.60', '--no-ping'];
    return { argv: ['dnsmasq', '--no-daemon', `--conf-file=${path}`, ...fixed, ...range], ready: 'sockets bound' };
  },
  dhcpd(folder) {
    const subnet = 'subnet 10.77.0.0 netmask 255.255.255.0 { range 10.77.0.30 10.77.0.60; }\nping-check false;\n';
    const path = write(folder, `${renderExternal('isc', facts)}${subnet}`);
    const leases = join(folder, 'leases');
    writeFileSync(leases, '');
    const files = ['-cf', path, '-lf', leases, '-pf', join(folder, 'pid')];
    return { argv: ['dhcpd', '-4', '-f', '-d', ...files, 'eth0'], ready: 'Server starting service' };
  },
  'kea-dhcp4'(folder) {
    const fixed = [
      '"interfaces-config": { "interfaces": ["eth0"] }, "lease-database": { "type": "memfile", "persist": false },',
      '"loggers": [{ "name": "kea-dhcp4", "severity": "INFO", "output_options": [{ "output": "stdout" }] }],',
      '"subnet4": [{ "id": 1, "subnet": "10.77.0.0/24", "pools": [{ "pool": "10.77.0.30 - 10.77.0.60" }] }],',
    ];
    const path = write(folder, `{ "Dhcp4": {\n${fixed.join('\n')}\n${renderExternal('kea', facts)}} }\n`);
    const places = [`KEA_PIDFILE_DIR=${folder}`, `KEA_LOCKFILE_DIR=${folder}`];
    return { argv: ['env', ...places, 'kea-dhcp4', '-c', path], ready: 'DHCP4_STARTED' };
  },
};

for (const [name, prepare] of Object.entries(servers)) {
  test(`${name} with our snippet tells every kind of machine what our own server would`, {
    skip: skip || (await missing(name)),
  }, async (t) => {
    const lan = await Segment.make(t);
    const { argv, ready } = prepare(makeFolder(t));
    await background(t, (await lan.addMachine('other', '10.77.0.9/24')).on(...argv), ready);
    const machines: Machine[] = [];
    for (const [i] of Object.entries(clients).entries())
      machines.push(await lan.addMachine(`pc${i}`, `10.77.0.${100 + i}/24`));
    const found = await Promise.all(
      Object.entries(clients).map(async ([kind, make], i) => {
        const packet = { ...make(), flags: FLAG_BROADCAST };
        const offers = await ask(machines[i]!, packet, 1);
        assert.equal(offers.length, 1, `${kind}: no offer`);
        return [kind, [toldBy(offers[0]!), expected(packet, machines[i]!.mac)]] as const;
      }),
    );
    for (const [kind, [told, wanted]] of found) assert.deepEqual(told, wanted, kind);
  });
}

test('udhcpc as firmware hears from dnsmasq with our snippet what to boot', { skip }, async (t) => {
  const lan = await Segment.make(t);
  const folder = makeFolder(t);
  const { argv, ready } = servers.dnsmasq!(folder);
  await background(t, (await lan.addMachine('other', '10.77.0.9/24')).on(...argv), ready);
  const script = join(folder, 'say');
  writeFileSync(script, '#!/bin/sh\nenv\n', { mode: 0o755 });
  const pc = await lan.addMachine('pc');
  for (const [arch, vendorClass, siaddr, file] of [
    ['0000', 'PXEClient:Arch:00000:UNDI:002001', own.address, facts.biosFile],
    ['0007', 'PXEClient:Arch:00007:UNDI:003000', own.address, facts.uefiX64File],
    ['0010', 'HTTPClient:Arch:00016:UNDI:003000', undefined, facts.httpBootUrl],
  ] as const) {
    const asks = ['-V', vendorClass, '-x', `0x5d:${arch}`, '-O', 'bootfile', '-O', 'tftp', '-s', script];
    const { stdout } = await run(pc.on('busybox', 'udhcpc', '-i', 'eth0', '-n', '-q', '-f', '-t', '5', ...asks));
    assert.equal(/^boot_?file=(.*)$/m.exec(stdout)?.[1], file, vendorClass);
    if (siaddr !== undefined) assert.equal(/^siaddr=(.*)$/m.exec(stdout)?.[1], siaddr);
  }
});

/** What a machine makes of an offer. A URL is all that counts then: no TFTP server is asked. */
function toldBy(offer: DhcpPacket): object {
  const file = offer.options.get(option.bootFile)?.toString('latin1').replace(/\0+$/, '') ?? offer.file;
  const vendorClass = offer.options.get(option.vendorClass)?.toString('latin1');
  return {
    file: readUrl(file),
    server: file.startsWith('http:') ? 'in the URL' : offer.siaddr,
    class: vendorClass === 'HTTPClient' ? vendorClass : 'none or PXEClient',
  };
}

function expected(packet: DhcpPacket, mac: string): object {
  const client = identifyClient(packet, mac)!;
  const answer = lookup(client)!;
  const isUrl = client.isHttp || client.isIpxe;
  // iPXE fills in its MAC and UUID itself.
  const url = new URL(answer.url!);
  if (client.isIpxe) url.searchParams.set('mac', `\${netX/mac}`);
  if (client.isIpxe) url.searchParams.set('uuid', `\${uuid}`);
  return {
    file: readUrl(isUrl ? url.href : answer.fileName),
    server: isUrl ? 'in the URL' : 0x0a4d0001,
    class: client.isHttp ? 'HTTPClient' : 'none or PXEClient',
  };
}

function readUrl(text: string): string | object {
  if (!text.startsWith('http:')) return text;
  const { origin, pathname, searchParams } = new URL(text);
  return { origin, pathname, ...Object.fromEntries(searchParams) };
}

function makeFolder(t: TestContext): string {
  const folder = tempFolder(t);
  return folder;
}

function write(folder: string, text: string): string {
  writeFileSync(join(folder, 'config'), text);
  return join(folder, 'config');
}

async function missing(program: string): Promise<string | false> {
  const { exitCode } = await run(['which', program], { okCodes: [0, 1] });
  return exitCode === 0 ? false : `${program} is missing: npm run setup, as root`;
}
