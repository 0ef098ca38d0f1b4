/**
 * What a machine's firmware and the server say to each other before the agent runs, out of a pcap file of its network card:
 * DHCP whole, of TFTP all but the data and its acknowledgements.
 */

/** One UDP datagram. */
export interface CapturedDatagram {
  readonly from: string;
  readonly to: string;
  readonly fromPort: number;
  readonly toPort: number;
  readonly bytes: Buffer;
}

const PCAP_HEADER_BYTES = 24;
const RECORD_HEADER_BYTES = 16;
const ETHERNET_BYTES = 14;
const ETHERTYPE_IPV4 = 0x0800;
const PROTOCOL_UDP = 17;
const DHCP_PORTS = new Set([67, 68, 4011]);
const DHCP_OPTIONS_AT = 240;
const DHCP_TYPES = ['BOOTP', 'DISCOVER', 'OFFER', 'REQUEST', 'DECLINE', 'ACK', 'NAK', 'RELEASE', 'INFORM'];
const TFTP_NAMES = ['', 'RRQ', 'WRQ', 'DATA', 'ACK', 'ERROR', 'OACK'];
const [TFTP_DATA, TFTP_ACK] = [3, 4];
const HEX_COLUMNS = 64;

/** Reads a pcap file as tcpdump(8) writes it here (little-endian, Ethernet); a record cut short at the end is left out. */
export function readCapture(pcap: Buffer): CapturedDatagram[] {
  const found: CapturedDatagram[] = [];
  let at = PCAP_HEADER_BYTES;
  while (at + RECORD_HEADER_BYTES <= pcap.length) {
    const length = pcap.readUInt32LE(at + 8);
    const frame = pcap.subarray(at + RECORD_HEADER_BYTES, at + RECORD_HEADER_BYTES + length);
    at += RECORD_HEADER_BYTES + length;
    const datagram = frame.length === length ? readFrame(frame) : undefined;
    if (datagram !== undefined) found.push(datagram);
  }
  return found;
}

/** The datagrams that tell how the machine boots, each once: a repeated question or answer counts as the first. */
export function bootTalk(datagrams: readonly CapturedDatagram[]): CapturedDatagram[] {
  const tftpPorts = new Set<number>();
  const seen = new Set<string>();
  return datagrams.filter((one) => {
    if (one.toPort === 69) tftpPorts.add(one.fromPort);
    const isTftp = one.toPort === 69 || tftpPorts.has(one.fromPort) || tftpPorts.has(one.toPort);
    if (!isTftp && !(DHCP_PORTS.has(one.fromPort) && DHCP_PORTS.has(one.toPort))) return false;
    if (isTftp && isBulk(one.bytes)) return false;
    const key = `${one.fromPort === 68 ? '' : one.from} ${withoutTime(one.bytes, isTftp)}`;
    return seen.has(key) ? false : seen.add(key) !== undefined;
  });
}

/** As text: a line `> 68-67 DISCOVER` from the machine or `< 67-68 OFFER` to it, then hex. `about`: lines of the head. */
export function renderTalk(
  about: readonly string[],
  talk: readonly CapturedDatagram[],
  isOwn: (one: CapturedDatagram) => boolean,
): string {
  const head = about.map((line) => `# ${line}`);
  const body = talk.flatMap((one) => {
    const where = `${isOwn(one) ? '>' : '<'} ${one.from}:${one.fromPort} ${one.to}:${one.toPort} ${nameOf(one)}`;
    return [where, ...(one.bytes.toString('hex').match(new RegExp(`.{1,${HEX_COLUMNS}}`, 'g')) ?? [])];
  });
  return `${[...head, ...body].join('\n')}\n`;
}

function readFrame(frame: Buffer): CapturedDatagram | undefined {
  if (frame.length < ETHERNET_BYTES + 20 || frame.readUInt16BE(12) !== ETHERTYPE_IPV4) return undefined;
  const ip = frame.subarray(ETHERNET_BYTES);
  const headerBytes = (ip[0]! & 15) * 4;
  const isFragment = (ip.readUInt16BE(6) & 0x3fff) !== 0;
  if (ip[9] !== PROTOCOL_UDP || isFragment || ip.length < headerBytes + 8) return undefined;
  const udp = ip.subarray(headerBytes);
  const text = (at: number) => [...ip.subarray(at, at + 4)].join('.');
  return {
    from: text(12),
    to: text(16),
    fromPort: udp.readUInt16BE(0),
    toPort: udp.readUInt16BE(2),
    bytes: udp.subarray(8, udp.readUInt16BE(4)),
  };
}

function isBulk(tftp: Buffer): boolean {
  const kind = tftp.readUInt16BE(0);
  return kind === TFTP_DATA || (kind === TFTP_ACK && tftp.readUInt16BE(2) !== 0);
}

/** DHCP without xid and secs, which change when it asks again. */
function withoutTime(bytes: Buffer, isTftp: boolean): string {
  if (isTftp) return bytes.toString('hex');
  return bytes.toString('hex', 0, 4) + bytes.toString('hex', 10);
}

function nameOf({ fromPort, toPort, bytes }: CapturedDatagram): string {
  if (!DHCP_PORTS.has(fromPort) || !DHCP_PORTS.has(toPort)) return TFTP_NAMES[bytes.readUInt16BE(0)] ?? 'TFTP';
  for (let at = DHCP_OPTIONS_AT; at + 2 < bytes.length && bytes[at] !== 255; at += 2 + bytes[at + 1]!) {
    while (bytes[at] === 0) at++;
    if (bytes[at] === 53) return DHCP_TYPES[bytes[at + 2]!] ?? 'DHCP';
  }
  return DHCP_TYPES[0]!;
}
