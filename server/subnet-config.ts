/** The tables of the config that may come several times: `[[boot.subnet]]`, `[[boot.interface]]` and `[[cast.interface]]`. */
import { Type } from 'typebox';

const BYTE = '(25[0-5]|2[0-4][0-9]|1?[0-9]{1,2})';
export const IPV4_ADDRESS = `^${BYTE}(\\.${BYTE}){3}$`;
const IPV4_NETWORK = `^${BYTE}(\\.${BYTE}){3}/([89]|[12][0-9]|30)$`;

/** A network in which DHCP gives addresses: that of an interface in the mode full, or one behind a relay. */
export const subnetTable = Type.Object({
  network: Type.String({
    pattern: IPV4_NETWORK,
    unit: 'network',
    range: 'an IPv4 network such as 10.77.0.0/24',
    unset: 'must be set',
    description: 'Network of the machines; the one of the interface, or one behind a DHCP relay.',
  }),
  poolFirst: address('must be set', 'First address that DHCP gives there.'),
  poolLast: address('must be set', 'Last address that DHCP gives there.'),
  leaseS: Type.Integer({
    default: 3600,
    minimum: 120,
    maximum: 604_800,
    unit: 's',
    description: 'How long an address is given for.',
  }),
  router: Type.Optional(address('none is told', 'Router that DHCP tells.')),
  dns: addresses('DNS servers that DHCP tells, the first one first.'),
  ntp: addresses('NTP servers that DHCP tells.'),
  domain: Type.Optional(
    Type.String({
      pattern: '^[A-Za-z0-9][A-Za-z0-9.-]{0,200}$',
      unit: 'name',
      range: 'a domain name',
      unset: 'none is told',
      description: 'Domain name that DHCP tells.',
    }),
  ),
});

/** What holds for the casts of one interface. */
export const castInterfaceTable = Type.Object({
  name: interfaceName(
    'The interface that casts leave by: that of the deployment network. Another name is refused at the start.',
  ),
  mbit: Type.Number({
    minimum: 1,
    maximum: 100_000,
    unit: 'Mbit/s',
    unset: 'must be set',
    description: 'Cap of all casts of this interface together, instead of cast.interface_mbit.',
  }),
});

/** An interface beside that of the deployment network, on which machines boot too. */
export const interfaceTable = Type.Object({
  name: interfaceName('An interface beside [network] interface on which machines boot. Casts do not go there.'),
  dhcp: Type.Enum(['proxy', 'full', 'off'], { default: 'proxy', description: 'As boot.dhcp, on this interface.' }),
});

/** Linux has names of 1 to 15 bytes (IFNAMSIZ). */
function interfaceName(description: string) {
  return Type.String({
    ...{ minLength: 1, maxLength: 15, unit: 'name', range: 'the name of an interface', unset: 'must be set' },
    description,
  });
}

function address(unset: string, description: string) {
  return Type.String({ pattern: IPV4_ADDRESS, unit: 'address', range: 'an IPv4 address', unset, description });
}

function addresses(description: string) {
  return Type.Array(Type.String({ pattern: IPV4_ADDRESS }), {
    default: [],
    maxItems: 8,
    range: 'a list of up to 8 IPv4 addresses',
    description,
  });
}
