/** The part of an answer that says what to boot. */
import { type Ipv4, NO_ADDRESS, parseAddress } from './address.ts';
import type { BootClient } from './client-kind.ts';
import type { BootAnswer } from './decision.ts';
import { option } from './option.ts';
import type { DhcpPacket } from './packet.ts';

/** The BOOTP `file` field holds 128 bytes with the zero at its end. */
const MAX_FILE_BYTES = 127;
/**
 * Sub-option 6 (discovery control), length 1, bit 3: "boot the file of this offer at once, ask nobody"; then the end.
 * Without it OVMF asks port 4011 first; iPXE on BIOS loops for ever if it stands beside siaddr 0.0.0.0.
 */
const BOOT_AT_ONCE = Buffer.of(6, 1, 8, 255);

export interface BootFields {
  readonly siaddr: Ipv4;
  readonly file: string;
  readonly options: readonly (readonly [number, Buffer])[];
}

/**
 * Undefined when the client wants a URL and there is none. In an answer of a proxy a PXE client must see option 60 =
 * PXEClient, or it takes no notice; beside an address (full mode) plain `file` and `siaddr` are what every ROM takes.
 */
export function bootFields(
  request: DhcpPacket,
  client: BootClient,
  answer: BootAnswer,
  mode: 'proxy' | 'full',
): BootFields | undefined {
  const machineId = request.options.get(option.machineId);
  const echoed: [number, Buffer][] = machineId === undefined ? [] : [[option.machineId, machineId]];
  if (client.isHttp) {
    if (answer.url === undefined) return undefined;
    const options = [
      [option.vendorClass, Buffer.from('HTTPClient')],
      [option.bootFile, Buffer.from(answer.url, 'latin1')],
    ] as const;
    return { siaddr: NO_ADDRESS, file: '', options: [...options, ...echoed] };
  }
  const name = client.isIpxe ? (answer.url ?? answer.fileName) : answer.fileName;
  const isLong = Buffer.byteLength(name, 'latin1') > MAX_FILE_BYTES;
  const pxe: [number, Buffer][] =
    mode === 'full'
      ? []
      : [
          [option.vendorClass, Buffer.from('PXEClient')],
          [option.vendorSpecific, BOOT_AT_ONCE],
        ];
  const long: [number, Buffer][] = isLong ? [[option.bootFile, Buffer.from(name, 'latin1')]] : [];
  return {
    siaddr: parseAddress(answer.serverAddress),
    file: isLong ? '' : name,
    options: [...pxe, ...long, ...echoed],
  };
}
