/**
 * Proxy mode (PXE 2.1 §2.2): lives beside the DHCP server of the LAN, never gives an address, and tells boot clients alone
 * what to boot: an OFFER without address to their DISCOVER on port 67, an ACK to their REQUEST on port 4011.
 */
import { formatAddress, type Ipv4, NO_ADDRESS } from './address.ts';
import { bootFields } from './boot-fields.ts';
import { identifyClient } from './client-kind.ts';
import {
  addressBytes,
  type BootLookup,
  type Decision,
  type Destination,
  destinationOf,
  echoedOptions,
  ignore,
  maxReplyBytes,
} from './decision.ts';
import { message, option } from './option.ts';
import { type DhcpPacket, messageTypeOf, replyTo } from './packet.ts';

/** `source` is where the packet came from: an answer from port 4011 goes back there (OVMF asks from its own port 4011). */
export function decideProxy(
  request: DhcpPacket,
  mac: string,
  facts: {
    readonly port: 'dhcp' | 'pxe';
    readonly source: Destination;
    readonly serverAddress: Ipv4;
    /** It is a registered host, or allowed. */
    readonly isAllowed: boolean;
    boot: BootLookup;
  },
): Decision {
  const type = messageTypeOf(request);
  const expected = facts.port === 'dhcp' ? [message.discover] : [message.request, message.inform];
  if (!expected.some((one) => one === type)) return ignore('not-for-a-proxy');
  const client = identifyClient(request, mac);
  if (client === undefined) return ignore('not-a-boot-client');
  if (!facts.isAllowed) return ignore('not-registered');
  const answer = facts.boot(client);
  if (answer === undefined) return ignore('no-boot-answer');
  const boot = bootFields(request, client, answer, 'proxy');
  if (boot === undefined) return ignore('no-url');

  const packet: DhcpPacket = {
    ...replyTo(request),
    ciaddr: facts.port === 'pxe' ? request.ciaddr : NO_ADDRESS,
    siaddr: boot.siaddr,
    file: boot.file,
    options: new Map([
      [option.messageType, Buffer.of(facts.port === 'dhcp' ? message.offer : message.ack)],
      [option.serverId, addressBytes(facts.serverAddress)],
      ...boot.options,
      ...echoedOptions(request),
    ]),
  };
  const isRelayed = request.giaddr !== NO_ADDRESS;
  const to =
    facts.port === 'pxe' && !isRelayed ? facts.source : destinationOf({ ...request, ciaddr: NO_ADDRESS }, packet);
  return { kind: 'reply', packet, to, maxBytes: maxReplyBytes(request) };
}

/** For the log: what was answered to whom. */
export function describeBoot(packet: DhcpPacket): string {
  const url = packet.options.get(option.bootFile)?.toString('latin1');
  return url ?? `${packet.file} from ${formatAddress(packet.siaddr)}`;
}
