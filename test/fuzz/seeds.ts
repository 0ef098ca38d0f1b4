/** Good packets to begin with: those of the tests of each protocol. */
import { message } from '#server/boot/dhcp/option.ts';
import { encodePacket } from '#server/boot/dhcp/packet.ts';
import { capture, firmware, request } from '../server/boot/dhcp/requests.ts';

export const dhcpSeeds: readonly Buffer[] = [
  capture('udhcpc-discover'),
  capture('udhcpc-pxe-discover'),
  capture('dhclient-discover'),
  ...Object.values(firmware).flatMap((make) =>
    [make(message.discover), make(message.request)].map((one) => encodePacket(one)!),
  ),
  ...[3, 4, 7, 8].map(
    (type) =>
      encodePacket(
        request(type, { ciaddr: 0x0a4d0064 }, [
          [54, Buffer.of(10, 77, 0, 1)],
          [50, Buffer.of(10, 77, 0, 100)],
        ]),
      )!,
  ),
  encodePacket(
    request(message.discover, { giaddr: 0x0a4d00fa }, [
      [82, Buffer.from('0104706f727405040a4d0001', 'hex')],
      [67, Buffer.alloc(300, 65)],
    ]),
    1400,
  )!,
];

export const tftpSeeds: readonly Buffer[] = [
  '\0\x01boot.img\0octet\0',
  '\0\x01boot.img\0octet\0tsize\x000\0blksize\x001468\0windowsize\x004\0timeout\x003\0',
  '\0\x01/none\0octet\0',
  '\0\x02boot.img\0octet\0',
  '\0\x04\0\x01',
  '\0\x05\0\x08aborted\0',
  '\0\x03\0\x01data',
  '\0\x06blksize\x001024\0',
].map((text) => Buffer.from(text, 'latin1'));
