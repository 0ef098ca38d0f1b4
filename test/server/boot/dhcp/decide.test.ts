import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatAddress, parseAddress } from '#server/boot/dhcp/address.ts';
import { decideFull, type LeaseFacts } from '#server/boot/dhcp/decide-full.ts';
import { decideProxy } from '#server/boot/dhcp/decide-proxy.ts';
import { addressBytes, type BootAnswer, type Decision } from '#server/boot/dhcp/decision.ts';
import { message, option } from '#server/boot/dhcp/option.ts';
import { type DhcpPacket, messageTypeOf } from '#server/boot/dhcp/packet.ts';
import { makeSubnet, subnetOf } from '#server/boot/dhcp/subnet.ts';
import { firmware, MAC, request } from './requests.ts';

const server = parseAddress('10.77.0.1');
const own = parseAddress('10.77.0.100');
const other = parseAddress('10.77.0.101');
const subnet = makeSubnet(server, parseAddress('255.255.255.0'), {
  first: own,
  last: parseAddress('10.77.0.200'),
  leaseS: 800,
  router: parseAddress('10.77.0.254'),
  dns: [parseAddress('10.77.0.2'), parseAddress('10.77.0.3')],
  domain: 'lab.test',
});
const bootAnswer: BootAnswer = {
  fileName: 'snponly.efi',
  serverAddress: '10.77.0.1',
  url: 'http://10.77.0.1:8470/boot',
};

function proxy(packet: DhcpPacket, port: 'dhcp' | 'pxe' = 'dhcp', boot: BootAnswer | undefined = bootAnswer): Decision {
  const source = { address: '10.77.0.50', port: 4011 };
  return decideProxy(packet, MAC, { port, source, serverAddress: server, isAllowed: true, boot: () => boot });
}

function full(packet: DhcpPacket, facts: Partial<LeaseFacts> = {}): Decision {
  return decideFull(packet, MAC, {
    serverAddress: server,
    subnet,
    isAllowed: true,
    held: undefined,
    offer: own,
    canHave: (address) => address === own,
    isOthers: (address) => address === other,
    boot: () => bootAnswer,
    ...facts,
  });
}

function replyOf(decision: Decision) {
  assert.equal(decision.kind, 'reply');
  return decision as Extract<Decision, { kind: 'reply' }>;
}

function reasonOf(decision: Decision): string {
  return decision.kind === 'ignore' ? decision.reason : 'answered';
}

const serverId: [number, Buffer] = [option.serverId, addressBytes(server)];
const wants = (address: number): [number, Buffer] => [option.requestedAddress, addressBytes(address)];

test('as a proxy it offers a boot file and no address, as OVMF and BIOS ROMs need it', () => {
  const asked = firmware.ovmfPxe();
  const { packet, to } = replyOf(proxy(asked));
  assert.deepEqual(to, { address: '255.255.255.255', port: 68 });
  assert.deepEqual(
    [packet.op, packet.xid, packet.flags, formatAddress(packet.yiaddr), formatAddress(packet.siaddr), packet.file],
    [2, asked.xid, 0x8000, '0.0.0.0', '10.77.0.1', 'snponly.efi'],
  );
  const options = Object.fromEntries([...packet.options].map(([code, data]) => [code, data.toString('hex')]));
  assert.deepEqual(options, {
    53: '02',
    54: '0a4d0001',
    60: Buffer.from('PXEClient').toString('hex'),
    43: '060108ff',
    97: asked.options.get(option.machineId)!.toString('hex'),
  });
});

test('iPXE gets the URL, HTTP firmware gets it in option 67 with its class back, and siaddr is never 0 beside option 43', () => {
  const ipxe = replyOf(proxy(firmware.ipxeBios())).packet;
  assert.equal(ipxe.file, bootAnswer.url);
  assert.notEqual(ipxe.siaddr, 0);
  const http = replyOf(proxy(firmware.ovmfHttp())).packet;
  assert.equal(http.options.get(option.vendorClass)!.toString(), 'HTTPClient');
  assert.equal(http.options.get(option.bootFile)!.toString(), bootAnswer.url);
  assert.equal(http.options.has(option.vendorSpecific), false);
});

test('a boot file name too long for the BOOTP field goes into option 67', () => {
  const { packet } = replyOf(proxy(firmware.ipxeBios(), 'dhcp', { ...bootAnswer, url: `http://h/${'x'.repeat(150)}` }));
  assert.equal(packet.file, '');
  assert.equal(packet.options.get(option.bootFile)!.length, 159);
});

test('a proxy acknowledges on port 4011 to where the question came from', () => {
  const { packet, to } = replyOf(proxy(firmware.ovmfPxe(message.request), 'pxe'));
  assert.equal(messageTypeOf(packet), message.ack);
  assert.deepEqual(to, { address: '10.77.0.50', port: 4011 });
});

test('a proxy keeps silent to everything else', () => {
  assert.equal(reasonOf(proxy(request(message.discover))), 'not-a-boot-client');
  assert.equal(reasonOf(proxy(firmware.ovmfPxe(message.request))), 'not-for-a-proxy');
  assert.equal(reasonOf(proxy(firmware.ovmfPxe(message.discover), 'pxe')), 'not-for-a-proxy');
  assert.equal(
    reasonOf(
      decideProxy(firmware.ovmfPxe(), MAC, {
        port: 'dhcp',
        source: { address: '', port: 68 },
        serverAddress: server,
        isAllowed: true,
        boot: () => undefined,
      }),
    ),
    'no-boot-answer',
  );
  const stranger = decideProxy(firmware.ovmfPxe(), MAC, {
    port: 'dhcp',
    source: { address: '', port: 68 },
    serverAddress: server,
    isAllowed: false,
    boot: () => bootAnswer,
  });
  assert.equal(reasonOf(stranger), 'not-registered');
  const { url: _, ...withoutUrl } = bootAnswer;
  assert.equal(reasonOf(proxy(firmware.ovmfHttp(), 'dhcp', withoutUrl)), 'no-url');
});

test('a DISCOVER is offered an address with all that was asked for', () => {
  const { packet, to, change } = replyOf(full(request(message.discover)));
  assert.deepEqual(to, { address: '255.255.255.255', port: 68 });
  assert.equal(packet.yiaddr, own);
  assert.deepEqual(change, { kind: 'offer', address: own });
  const read = (code: number) => packet.options.get(code)?.toString('hex');
  assert.deepEqual([1, 3, 6, 28, 51, 54, 58, 59].map(read), [
    'ffffff00',
    '0a4d00fe',
    '0a4d00020a4d0003',
    '0a4d00ff',
    '00000320',
    '0a4d0001',
    '00000190',
    '000002bc',
  ]);
  const listed = replyOf(full(request(message.discover, {}, [[option.parameterList, Buffer.of(3)]]))).packet;
  assert.deepEqual([listed.options.has(3), listed.options.has(6), listed.options.has(1)], [true, false, true]);
});

test('beside an address a PXE client gets file and siaddr without PXE options', () => {
  const { packet } = replyOf(full(firmware.ovmfPxe()));
  assert.equal(packet.file, 'snponly.efi');
  assert.equal(packet.options.has(option.vendorClass), false);
  assert.equal(replyOf(full(firmware.ovmfPxe(), { boot: () => undefined })).packet.file, '');
});

test('a REQUEST is acknowledged in each of the four states', () => {
  const states: [string, DhcpPacket, Partial<LeaseFacts>, string][] = [
    ['SELECTING', request(message.request, {}, [serverId, wants(own)]), {}, '255.255.255.255'],
    ['INIT-REBOOT', request(message.request, {}, [wants(own)]), { held: own }, '255.255.255.255'],
    ['RENEWING', request(message.request, { ciaddr: own }), { held: own }, '10.77.0.100'],
    ['REBINDING', request(message.request, { ciaddr: own, flags: 0x8000 }), { held: own }, '10.77.0.100'],
  ];
  for (const [name, packet, facts, target] of states) {
    const reply = replyOf(full(packet, facts));
    assert.equal(messageTypeOf(reply.packet), message.ack, name);
    assert.deepEqual(reply.change, { kind: 'bind', address: own }, name);
    assert.equal(reply.to.address, target, name);
  }
});

test('a REQUEST for what the client cannot have is refused by broadcast', () => {
  const requests = [
    request(message.request, {}, [serverId, wants(other)]),
    request(message.request, {}, [wants(parseAddress('192.168.1.5'))]),
    request(message.request, {}, [wants(other)]),
    request(message.request, { ciaddr: other }),
  ];
  for (const packet of requests) {
    const reply = replyOf(full(packet));
    assert.equal(messageTypeOf(reply.packet), message.nak);
    assert.deepEqual(reply.to, { address: '255.255.255.255', port: 68 });
    assert.equal(reply.packet.yiaddr, 0);
  }
});

test('a REQUEST that is not for this server, or of a lease it never gave, gets no answer', () => {
  const elsewhere: [number, Buffer] = [option.serverId, addressBytes(other)];
  const decision = full(request(message.request, {}, [elsewhere, wants(own)]), { held: own });
  assert.deepEqual(decision, {
    kind: 'ignore',
    reason: 'for-another-server',
    change: { kind: 'refuse-offer', address: own },
  });
  assert.equal(reasonOf(full(request(message.request, {}, [wants(own)]))), 'unknown-lease');
  assert.equal(reasonOf(full(request(message.request, { ciaddr: own }))), 'unknown-lease');
  assert.equal(reasonOf(full(request(message.request))), 'no-address');
});

test('DECLINE and RELEASE change the lease of their own client only, and get no answer', () => {
  const decline = full(request(message.decline, {}, [serverId, wants(own)]), { held: own });
  assert.deepEqual(decline, { kind: 'ignore', reason: 'nothing-to-say', change: { kind: 'decline', address: own } });
  const release = full(request(message.release, { ciaddr: own }, [serverId]), { held: own });
  assert.deepEqual(release, { kind: 'ignore', reason: 'nothing-to-say', change: { kind: 'release', address: own } });
  assert.equal(reasonOf(full(request(message.release, { ciaddr: other }, [serverId]), { held: own })), 'unknown-lease');
  assert.equal(reasonOf(full(request(message.release, { ciaddr: own }), { held: own })), 'for-another-server');
});

test('an INFORM is told the options, and neither an address nor a time', () => {
  const { packet, to } = replyOf(full(request(message.inform, { ciaddr: own })));
  assert.deepEqual(to, { address: '10.77.0.100', port: 68 });
  assert.equal(packet.yiaddr, 0);
  assert.deepEqual(
    [51, 58, 59].map((code) => packet.options.has(code)),
    [false, false, false],
  );
  assert.ok(packet.options.has(option.dns));
});

test('an unregistered machine, a full pool and a foreign relay get silence', () => {
  assert.equal(reasonOf(full(request(message.discover), { isAllowed: false })), 'not-registered');
  assert.equal(reasonOf(full(request(message.discover), { offer: undefined })), 'pool-empty');
  assert.equal(reasonOf(full(request(message.discover), { subnet: undefined })), 'no-subnet');
});

test('through a relay the answer goes to it, with its option 82 as it came, and a NAK asks for a broadcast', () => {
  const relay: [number, Buffer] = [option.relayAgent, Buffer.from('0104706f7274', 'hex')];
  const giaddr = parseAddress('10.77.0.250');
  const offer = replyOf(full(request(message.discover, { giaddr }, [relay])));
  assert.deepEqual(offer.to, { address: '10.77.0.250', port: 67 });
  assert.deepEqual(offer.packet.options.get(option.relayAgent), relay[1]);
  assert.equal(offer.packet.giaddr, giaddr);
  const nak = replyOf(full(request(message.request, { giaddr }, [serverId, wants(other)])));
  assert.equal(nak.packet.flags & 0x8000, 0x8000);
});

test('the network of a client is that of its link selection, its relay, its address when it writes to us alone, or ours', () => {
  const far = makeSubnet(parseAddress('10.78.0.0'), parseAddress('255.255.255.0'), { first: 1, last: 2, leaseS: 60 });
  const find = (packet: DhcpPacket, by: 'broadcast' | 'unicast' = 'broadcast') =>
    subnetOf(packet, [subnet, far], { by, serverAddress: server });
  assert.equal(find(request(message.discover)), subnet);
  assert.equal(find(request(message.discover, { giaddr: parseAddress('10.78.0.1') })), far);
  assert.equal(find(request(message.discover, { giaddr: parseAddress('10.99.0.1') })), undefined);
  const link: [number, Buffer] = [option.relayAgent, Buffer.from('05040a4e0001', 'hex')];
  assert.equal(find(request(message.discover, { giaddr: parseAddress('10.99.0.1') }, [link])), far);
  const renewing = request(message.request, { ciaddr: parseAddress('10.78.0.9') });
  assert.equal(find(renewing, 'unicast'), far);
  assert.equal(find(renewing, 'broadcast'), subnet, 'it stands on this very wire, whatever it says');
});
