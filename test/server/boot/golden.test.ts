/** The packets of real firmware: who sent them is known, and our answers are byte for byte those that it booted from. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { makeBootLookup } from '#server/boot/boot-lookup.ts';
import { parseAddress } from '#server/boot/dhcp/address.ts';
import { identifyClient } from '#server/boot/dhcp/client-kind.ts';
import { decideFull } from '#server/boot/dhcp/decide-full.ts';
import { decideProxy } from '#server/boot/dhcp/decide-proxy.ts';
import { type DhcpPacket, decodePacket, encodePacket, macOf } from '#server/boot/dhcp/packet.ts';
import { readSubnets } from '#server/boot/full-mode.ts';
import { agreeOn } from '#server/boot/tftp/negotiation.ts';
import { decodeTftp, encodeOptionAck } from '#server/boot/tftp/packet.ts';
import { readTalk, type Talk, talkNames } from './golden-talk.ts';

const SERVER = '10.77.0.1';
const serverAddress = parseAddress(SERVER);
/** What lab/capture-boot.ts has in its config (lab/vm-rack.ts), and the boot assets of that day. */
const lookup = makeBootLookup(`http://${SERVER}:8470`, SERVER, ['shimx64.efi', 'undionly.kpxe', 'ipxe-arm64.efi']);
const subnet = readSubnets([
  { network: '10.77.0.0/24', poolFirst: '10.77.0.250', poolLast: '10.77.0.254', leaseS: 3600, dns: [], ntp: [] },
])[0]!;

const bios = { arch: 0, firmware: 'bios' };
const uefi = { arch: 7, firmware: 'uefi-x64' };
const uefiHttp = { arch: 16, firmware: 'uefi-x64', isIpxe: false, isHttp: true };
const rom = { isIpxe: false, isHttp: false };
const ipxe = { isIpxe: true, isHttp: false };
/** In the order in which one machine becomes the next: firmware, then what it loaded; the agent's udhcpc is no boot client. */
const kindsOf: Readonly<Record<string, object[]>> = {
  'bios-ipxe-rom': [{ ...bios, ...ipxe }],
  'bios-ipxe-rom-proxy': [{ ...bios, ...ipxe }],
  'efi-ipxe-rom': [{ ...uefi, ...ipxe }],
  'ipxe-efi': [
    { ...uefi, ...rom },
    { ...uefi, ...ipxe },
  ],
  'ovmf-http': [uefiHttp],
  'ovmf-http-proxy': [uefiHttp],
  'ovmf-pxe': [{ ...uefi, ...rom }],
  'ovmf-pxe-proxy': [{ ...uefi, ...rom }],
  'ovmf-secure-boot': [{ ...uefi, ...rom }],
  'undionly-ipxe': [{ ...bios, ...ipxe }],
};

test('every firmware is known for what it is, with its UUID, by all that it sends', () => {
  const found = talkNames.map((name) => {
    const { mac, uuid, datagrams } = readTalk(name);
    const kinds = new Map<string, object>();
    for (const { bytes } of datagrams.filter((one) => one.from.endsWith(':68') && one.isMachines)) {
      const packet = read(bytes);
      assert.equal(macOf(packet), mac);
      const client = identifyClient(packet, mac);
      if (client === undefined) continue;
      assert.deepEqual([client.mac, client.uuid], [mac, uuid], name);
      const { arch, firmware, isIpxe, isHttp } = client;
      kinds.set(JSON.stringify(client), { arch, firmware, isIpxe, isHttp });
    }
    return [name, [...kinds.values()]];
  });
  assert.deepEqual(Object.fromEntries(found), kindsOf);
});

for (const name of talkNames.filter((one) => readTalk(one).mode !== undefined)) {
  test(`${name}: our DHCP answers are byte for byte those that it booted from`, () => {
    const talk = readTalk(name);
    const answers = talk.datagrams.filter(({ from }) => from === `${SERVER}:67`);
    assert.ok(answers.length > 0);
    for (const answer of answers) {
      const request = requestOf(answer.bytes, answer.name === 'OFFER' ? 'DISCOVER' : 'REQUEST', talk);
      assert.equal(answerTo(request, talk, read(answer.bytes).yiaddr).toString('hex'), answer.bytes.toString('hex'));
    }
  });
}

test('our TFTP answers are byte for byte those with which shim and GRUB came', () => {
  let acknowledged = 0;
  for (const { datagrams } of talkNames.map(readTalk)) {
    for (const answer of datagrams.filter((one) => one.name === 'OACK')) {
      const asked = decodeTftp(datagrams.find((one) => one.name === 'RRQ' && one.from === answer.to)!.bytes);
      assert.ok(typeof asked !== 'string' && asked.kind === 'read');
      const size = /tsize\0(\d+)/.exec(answer.bytes.toString('latin1'))?.[1];
      const terms = agreeOn(asked.options, Number(size ?? 0));
      assert.equal(encodeOptionAck(terms.acknowledged).toString('hex'), answer.bytes.toString('hex'));
      acknowledged++;
    }
  }
  assert.ok(acknowledged >= 12, String(acknowledged));
});

function answerTo(request: DhcpPacket, { mac, mode }: Talk, offered: number): Buffer {
  const source = { address: '0.0.0.0', port: 68 };
  const decision =
    mode === 'proxy'
      ? decideProxy(request, mac, { port: 'dhcp', source, serverAddress, isAllowed: true, boot: lookup })
      : decideFull(request, mac, {
          serverAddress,
          subnet,
          isAllowed: true,
          held: offered,
          offer: offered,
          canHave: (address) => address === offered,
          isOthers: () => false,
          boot: lookup,
        });
  assert.ok(decision.kind === 'reply', JSON.stringify(decision));
  return encodePacket(decision.packet, decision.maxBytes)!;
}

function requestOf(answer: Buffer, name: string, { datagrams }: Talk): DhcpPacket {
  const { xid } = read(answer);
  const requests = datagrams.filter((one) => one.name === name).map(({ bytes }) => read(bytes));
  return requests.find((one) => one.xid === xid) ?? assert.fail(`no ${name} with the number ${xid}`);
}

function read(bytes: Buffer): DhcpPacket {
  const packet = decodePacket(bytes);
  return typeof packet === 'string' ? assert.fail(packet) : packet;
}
