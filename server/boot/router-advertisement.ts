/**
 * "There is no IPv6 router here", told to one machine: iPXE asks for a router (RFC 4861 §6.3.7) beside DHCP and waits some 13 s for
 * the answer that an IPv4-only network never gives.
 *
 * The answer says nothing that could harm: router lifetime 0, "not a default router" (RFC 4861 §4.2, §6.3.4), no prefix, no flag, no
 * other option. It goes to the machine's own MAC and link-local address, as RFC 4861 §6.2.6 allows, so nobody else hears it. (iPXE throws
 * away what comes to its own MAC for a multicast address; seen on the ROM of 2019.) Its link-local address follows from its MAC.
 *
 * | at | bytes | field |
 * |---|---|---|
 * | 0 | 6, 6, 2 | Ethernet: to, from, 86dd |
 * | 14 | 4, 2, 1, 1 | IPv6: 60000000, length 16, next header 58 (ICMPv6), hop limit 255 (else it is dropped, §6.1.2) |
 * | 22 | 16, 16 | link-local addresses of our MAC, and of its |
 * | 54 | 1, 1, 2 | ICMPv6: type 134, code 0, checksum |
 * | 58 | 1, 1, 2 | hop limit 0 "unspecified", flags 0, router lifetime 0 |
 * | 62 | 4, 4 | reachable time 0, retransmission time 0: "unspecified" |
 */

const ETHERNET_BYTES = 14;
const ICMP_AT = 54;
const ICMP_BYTES = 16;
const ICMPV6 = 58;
const ROUTER_ADVERTISEMENT = 134;

/** The whole Ethernet frame. MACs as 52:54:00:77:00:01. */
export function routerAdvertisement(fromMac: string, toMac: string): Buffer {
  const frame = Buffer.alloc(ICMP_AT + ICMP_BYTES);
  const [from, to] = [fromMac, toMac].map((mac) => Buffer.from(mac.replaceAll(':', ''), 'hex')) as [Buffer, Buffer];
  to.copy(frame, 0);
  from.copy(frame, 6);
  frame.writeUInt16BE(0x86dd, 12);
  frame[ETHERNET_BYTES] = 0x60;
  frame.writeUInt16BE(ICMP_BYTES, 18);
  frame[20] = ICMPV6;
  frame[21] = 255;
  linkLocal(from).copy(frame, 22);
  linkLocal(to).copy(frame, 38);
  frame[ICMP_AT] = ROUTER_ADVERTISEMENT;
  frame.writeUInt16BE(checksum(frame), ICMP_AT + 2);
  return frame;
}

/** fe80:: and the modified EUI-64 (RFC 4291, appendix A). */
function linkLocal(mac: Buffer): Buffer {
  const address = Buffer.concat([
    Buffer.from('fe80000000000000', 'hex'),
    mac.subarray(0, 3),
    Buffer.of(0xff, 0xfe),
    mac.subarray(3),
  ]);
  address[8]! ^= 2;
  return address;
}

/** Of the pseudo-header (RFC 8200 §8.1) and the message, with zero in the checksum's place. */
function checksum(frame: Buffer): number {
  let sum = ICMP_BYTES + ICMPV6;
  for (let at = 22; at < frame.length; at += 2) sum += frame.readUInt16BE(at);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return ~sum & 0xffff;
}
