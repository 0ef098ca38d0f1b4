/** The virtual network as data: which namespaces, addresses and machines a lab has, and the `ip` and `tc` lines that make it. */
import { createHash } from 'node:crypto';

/** Base of every name that a lab gives to a namespace or link. */
export const LAB_PREFIX = 'fc-';
/** 10.77.0.10 – 10.77.0.249 */
export const MAX_LAB_HOSTS = 240;

export interface LabHost {
  readonly name: string;
  readonly namespace: string;
  /** Port of the switch that it is plugged into. */
  readonly port: string;
  readonly mac: string;
  readonly address: string;
  readonly systemUuid: string;
  readonly diskSerial: string;
}

export interface Topology {
  /** Four letters or digits, unique among the labs of a machine. */
  readonly run: string;
  readonly switchNamespace: string;
  readonly serverNamespace: string;
  readonly serverAddress: string;
  readonly prefixLength: number;
  /** Interface of the server and of every host, inside their namespaces. */
  readonly interface: string;
  /** Rate of the server's port towards the switch, in Mbit/s. */
  readonly linkMbit: number;
  readonly hosts: readonly LabHost[];
}

/** Hosts by name; a name may be anything that the server takes as a host name. Throws RangeError for more than 240. */
export function planTopology(run: string, hostNames: readonly string[], linkMbit: number): Topology {
  if (hostNames.length > MAX_LAB_HOSTS) throw new RangeError(`a lab has at most ${MAX_LAB_HOSTS} hosts`);
  return {
    run,
    switchNamespace: `${LAB_PREFIX}${run}-sw`,
    serverNamespace: `${LAB_PREFIX}${run}-srv`,
    serverAddress: '10.77.0.1',
    prefixLength: 24,
    interface: 'eth0',
    linkMbit,
    hosts: hostNames.map((name, i) => planHost(run, name, i)),
  };
}

export function namespacesOf(topology: Topology): string[] {
  return [topology.switchNamespace, topology.serverNamespace, ...topology.hosts.map((host) => host.namespace)];
}

/**
 * Lines for `ip -n SWITCH -batch`: a bridge that snoops IGMP and asks for memberships itself (without a querier every
 * multicast packet would go to every port), and one cable to the server and to each host.
 * IGMP 3, because in its first 10 s the bridge passes the hosts' reports on to each other, and a host that speaks IGMP 2 and
 * hears another's report does not send its own (RFC 2236, 3): seen here, it went deaf when the 10 s were over, in mid-cast.
 */
export function switchLines(topology: Topology): string[] {
  const cable = (port: string, namespace: string, mac: string): string[] => [
    `link add ${port} type veth peer name ${topology.interface} address ${mac} netns ${namespace}`,
    `link set ${port} addrgenmode none master fc-br up`,
  ];
  return [
    'link add fc-br type bridge mcast_snooping 1 mcast_querier 1 mcast_igmp_version 3',
    'link set fc-br addrgenmode none up',
    ...cable('fc-srv', topology.serverNamespace, '52:54:00:77:ff:01'),
    ...topology.hosts.flatMap((host) => cable(host.port, host.namespace, host.mac)),
  ];
}

/** Lines for `ip -n NAMESPACE -batch`. Without `brd +` udp-receiver sends its requests to 0.0.0.0; there is no default route. */
export function machineLines(topology: Topology, address: string): string[] {
  return [
    'link set lo up',
    `link set ${topology.interface} addrgenmode none up`,
    `address add ${address}/${topology.prefixLength} brd + dev ${topology.interface}`,
    `route add 224.0.0.0/4 dev ${topology.interface}`,
    `route add 255.255.255.255 dev ${topology.interface}`,
  ];
}

/** The server's link rate. The queue holds more than a socket's send buffer, so that a UDP sender waits instead of losing packets. */
export function linkRateArguments(topology: Topology): string[] {
  const { linkMbit } = topology;
  return ['dev', topology.interface, 'root', 'tbf', 'rate', `${linkMbit}mbit`, 'burst', '32kb', 'limit', '1mb'];
}

function planHost(run: string, name: string, index: number): LabHost {
  const digest = createHash('sha256').update(`${run} ${name}`).digest('hex');
  return {
    name,
    namespace: `${LAB_PREFIX}${run}-${name}`,
    port: `fc-p${index + 1}`,
    mac: `52:54:00:77:${(index >> 8).toString(16).padStart(2, '0')}:${(index & 0xff).toString(16).padStart(2, '0')}`,
    address: `10.77.0.${index + 10}`,
    systemUuid: uuidFrom(digest),
    diskSerial: `LAB${digest.slice(0, 9).toUpperCase()}`,
  };
}

/** 32 hex digits as a UUID of version 4. */
export function uuidFrom(hex: string): string {
  const variant = ((Number.parseInt(hex[16]!, 16) & 3) | 8).toString(16);
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-4${hex.slice(13, 16)}-${variant}${hex.slice(17, 20)}-${hex.slice(20, 32)}`;
}
