/** Every key that an admin may set, by section: default, range, unit and one line of help. docs/config.md comes from it. */
import { Type } from 'typebox';
import { DEFAULT_CHUNK_BYTES, MAX_CHUNK_BYTES, MIN_CHUNK_BYTES } from '#protocol/chunk.ts';
import { castInterfaceTable, interfaceTable, subnetTable } from './subnet-config.ts';

const MULTICAST_ADDRESS = '^(22[4-9]|23[0-9])(\\.(25[0-5]|2[0-4][0-9]|1?[0-9]{1,2})){3}$';

/** Whole MACs and beginnings of them, such as a maker's first three bytes. */
const MAC_BEGINNING = '^([0-9a-f]{2}:){2}[0-9a-f]{2}(:[0-9a-f]{2}){0,3}$';

export const configSchema = Type.Object({
  daemon: Type.Object({
    dataDir: path('/var/lib/fleetcast', 'Folder of the database and of the image store.'),
    socket: path('/run/fleetcast/admin.sock', 'Unix socket of the admin API: who may open it may do everything.'),
    logLevel: Type.Enum(['trace', 'debug', 'info', 'warn', 'error', 'fatal'], {
      default: 'info',
      description: 'How much the daemon logs on stderr.',
    }),
  }),
  network: Type.Object({
    interface: Type.Optional(
      Type.String({
        minLength: 1,
        maxLength: 15,
        unit: 'name',
        range: 'the name of an interface',
        unset: 'the only interface that has an IPv4 address',
        description: 'Network interface of the deployment network.',
      }),
    ),
    agentPort: integer(
      8470,
      1,
      65535,
      'TCP port',
      'Where hosts ask for their boot target and agents talk to the daemon.',
    ),
  }),
  session: Type.Object({
    gatherDeadlineS: integer(
      900,
      10,
      86_400,
      's',
      'A host that was called and has not come after this time has failed.',
    ),
    lostAfterS: integer(30, 5, 3600, 's', 'A host that says nothing for this long is shown as lost.'),
    lostFailS: integer(300, 10, 86_400, 's', 'A host that says nothing for this long has failed.'),
    verifyTries: integer(3, 1, 10, 'times', 'Repairs of a disk that reads back wrong before its host has failed.'),
    wakeIntervalS: integer(20, 1, 3600, 's', 'Time between two magic packets to a host that sleeps.'),
    wakeRepeats: integer(
      3,
      1,
      10,
      'packets',
      'Copies of every magic packet, 0.1 s apart: nobody says that one was lost.',
    ),
    bootTokenS: integer(600, 30, 86_400, 's', 'A boot token is good for this long: the slowest boot of a host.'),
  }),
  schedule: Type.Object({
    hooksDir: path('/etc/fleetcast/hooks', 'Folder of the programs that a schedule may ask whether a host is idle.'),
    hookLimitS: integer(30, 1, 600, 's', 'A hook that has not answered after this time counts as: not idle.'),
  }),
  cast: Type.Object({
    portFirst: evenPort(9000, 'First UDP port of casts; a cast takes this one and the next.'),
    portLast: evenPort(9398, 'Last UDP port base of casts.'),
    rdvAddress: multicastAddress('239.192.77.1', 'Multicast group in which the receivers find the sender.'),
    dataAddressBase: multicastAddress('239.192.78.0', 'Multicast groups of the data are counted up from here.'),
    maxMbit: Type.Optional(
      Type.Number({
        minimum: 1,
        maximum: 100_000,
        unit: 'Mbit/s',
        unset: 'as fast as the network',
        description: 'Cap of every cast.',
      }),
    ),
    interfaceMbit: Type.Optional(
      Type.Number({
        minimum: 1,
        maximum: 100_000,
        unit: 'Mbit/s',
        unset: 'none; casts that run at once share the speed of the interface',
        description: 'Cap of all casts of an interface together: those that run at once share it by their --weight.',
      }),
    ),
    startTimeoutS: integer(30, 5, 600, 's', 'A receiver that hears no cast begin for this long gives up.'),
    receiveTimeoutS: integer(30, 5, 600, 's', 'A receiver that hears nothing in mid-cast for this long gives up.'),
    retriesUntilDrop: integer(
      11,
      5,
      1000,
      'times',
      'Unanswered requests until udp-sender drops a dead host: it holds the others up for about this less 9, in s.',
    ),
    probePackets: integer(
      200,
      0,
      2000,
      'packets',
      'Sent before a pass to find hosts that multicast does not reach; 0: no probe.',
    ),
    probeLossPercent: integer(20, 1, 99, '%', 'A host that loses more of the probe takes HTTP instead of the cast.'),
    parkQueuePercent: integer(
      50,
      10,
      100,
      '%',
      'A host whose receive buffer is this full while the others’ are empty may be parked.',
    ),
    parkWaitedPercent: integer(
      80,
      50,
      100,
      '%',
      'A host with an empty buffer that udp-sender waits for in so many of the slices may be parked: its cable is slow.',
    ),
    parkDelayPercent: integer(
      3,
      0,
      1000,
      '%',
      'It is parked when it would hold the others back for more than this part of the cast.',
    ),
    ttl: integer(1, 1, 64, 'hops', 'How many routers a cast may cross, plus one.'),
    interface: Type.Array(castInterfaceTable),
  }),
  capture: Type.Object({
    chunkBytes: integer(
      DEFAULT_CHUNK_BYTES,
      MIN_CHUNK_BYTES,
      MAX_CHUNK_BYTES,
      'bytes, a power of two',
      'Size of the chunks of a new image.',
    ),
    zstdLevel: integer(3, 1, 19, 'level', 'zstd level of captured chunks.'),
  }),
  boot: Type.Object({
    kernelArgs: Type.String({
      default: 'quiet',
      maxLength: 500,
      pattern: '^[ -~]*$',
      unit: 'text',
      range: 'words of the kernel command line',
      description: 'Added to the kernel command line of the agent, such as console=ttyS0.',
    }),
    debugShell: Type.Enum(['off', 'on'], {
      default: 'off',
      description: 'A root shell on the second console of hosts in the agent, without a password.',
    }),
    dhcp: Type.Enum(['off', 'proxy', 'full', 'external'], {
      default: 'proxy',
      description:
        'proxy: tells machines what to boot, beside the DHCP server of the network; full: gives addresses too; external: that server does it all, see fleetcast dhcp external.',
    }),
    dhcpClients: Type.Enum(['registered', 'all'], {
      default: 'registered',
      description: 'Which machines DHCP answers: approved hosts (and boot.dhcp_allow) alone, or every one.',
    }),
    ipv6Ra: Type.Enum(['on', 'off'], {
      default: 'on',
      description:
        'Tells a booting iPXE, and nobody else, that there is no IPv6 router, so that it does not wait for one.',
    }),
    dhcpAllow: Type.Array(Type.String({ pattern: MAC_BEGINNING }), {
      default: [],
      maxItems: 1000,
      range: 'a list of MACs or their beginnings, such as "52:54:00"',
      description: 'Machines that DHCP answers though they are not approved.',
    }),
    tftp: Type.Enum(['off', 'on'], {
      default: 'on',
      description: 'Serves the boot loaders over TFTP, which BIOS and UEFI PXE need.',
    }),
    subnet: Type.Array(subnetTable),
    interface: Type.Array(interfaceTable),
  }),
});

function integer(normal: number, minimum: number, maximum: number, unit: string, description: string) {
  return Type.Integer({ default: normal, minimum, maximum, unit, description });
}

/** udpcast takes an even port base P for the receivers and P + 1 for the sender. */
function evenPort(normal: number, description: string) {
  return Type.Integer({ default: normal, minimum: 1024, maximum: 65534, multipleOf: 2, unit: 'UDP port', description });
}

function path(normal: string, description: string) {
  return Type.String({ default: normal, minLength: 1, unit: 'path', range: 'a path', description });
}

function multicastAddress(normal: string, description: string) {
  const range = 'an IPv4 multicast address';
  return Type.String({ default: normal, pattern: MULTICAST_ADDRESS, unit: 'address', range, description });
}
