/** Codes of the DHCP options that we read or write (RFC 2132 unless said), and the message types. */

export const option = {
  subnetMask: 1,
  router: 3,
  dns: 6,
  hostName: 12,
  domain: 15,
  broadcast: 28,
  ntp: 42,
  /** PXE's own options inside (PXE 2.1, table 2-2). */
  vendorSpecific: 43,
  requestedAddress: 50,
  leaseTime: 51,
  overload: 52,
  messageType: 53,
  serverId: 54,
  parameterList: 55,
  message: 56,
  maxMessageSize: 57,
  renewalTime: 58,
  rebindingTime: 59,
  vendorClass: 60,
  clientId: 61,
  bootFile: 67,
  /** RFC 3004, but iPXE writes the bare word. */
  userClass: 77,
  /** RFC 3046. */
  relayAgent: 82,
  /** RFC 4578: client system architecture. */
  architecture: 93,
  /** RFC 4578: the machine's UUID. */
  machineId: 97,
  /** Encapsulated options of Etherboot and iPXE. */
  ipxe: 175,
} as const;

export const message = {
  discover: 1,
  offer: 2,
  request: 3,
  decline: 4,
  ack: 5,
  nak: 6,
  release: 7,
  inform: 8,
} as const;

/** For log lines: DISCOVER, OFFER, … */
export function messageName(type: number | undefined): string {
  const found = Object.entries(message).find(([, code]) => code === type);
  return found === undefined ? 'BOOTP' : found[0].toUpperCase();
}
