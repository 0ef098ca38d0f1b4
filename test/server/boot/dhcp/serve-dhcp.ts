/**
 * Runs a DHCP server for a test until stdin ends: `node serve-dhcp.ts '{"mode":"full",…}'`. Says {"ready":true}, then each
 * finding, and at the end its counts and leases.
 */
import { networkInterfaces } from 'node:os';
import { parseAddress } from '#server/boot/dhcp/address.ts';
import { type AddressProbe, NetworkProbe } from '#server/boot/dhcp/address-probe.ts';
import type { BootAnswer } from '#server/boot/dhcp/decision.ts';
import { LeasePool } from '#server/boot/dhcp/lease-pool.ts';
import { RivalWatch } from '#server/boot/dhcp/rival-watch.ts';
import { DhcpServer } from '#server/boot/dhcp/server.ts';
import { makeSubnet } from '#server/boot/dhcp/subnet.ts';
import { readSubnets, type SubnetSettings } from '#server/boot/full-mode.ts';
import { openDatabase } from '#server/db/database.ts';
import { KeptClock } from '#server/db/kept-clock.ts';
import { LeaseTable } from '#server/db/lease-table.ts';
import { systemClock } from '#system/clock.ts';
import { makeLogger } from '#system/log.ts';

export interface ServeOptions {
  readonly mode: 'proxy' | 'full';
  readonly device?: string;
  readonly first?: string;
  readonly last?: string;
  readonly leaseS?: number;
  /** Networks behind relays. */
  readonly more?: readonly SubnetSettings[];
  readonly database?: string;
  readonly probe?: boolean;
  readonly watch?: boolean;
  readonly identity?: 'mac' | 'client-id';
  /** Absent: everybody. */
  readonly allowed?: readonly string[];
  readonly reserved?: Readonly<Record<string, string>>;
  readonly boot?: BootAnswer;
  readonly logLevel?: string;
}

const options = JSON.parse(process.argv[2]!) as ServeOptions;
const device = options.device ?? 'eth0';
const info = networkInterfaces()[device]!.find((one) => one.family === 'IPv4')!;
const serverAddress = parseAddress(info.address);
const network = { interface: device, address: info.address, mac: info.mac };
const log = makeLogger(options.logLevel ?? 'warn', 'dhcp-test');
const say = (line: unknown) => console.log(JSON.stringify(line));

const reserved = Object.entries(options.reserved ?? {}).map(([mac, address]) => [mac, parseAddress(address)] as const);
const database = openDatabase(options.database ?? ':memory:');
const subnet =
  options.mode === 'full'
    ? makeSubnet(serverAddress, parseAddress(info.netmask), {
        first: parseAddress(options.first!),
        last: parseAddress(options.last!),
        leaseS: options.leaseS ?? 3600,
        router: serverAddress,
        dns: [serverAddress],
        ntp: [serverAddress],
        domain: 'lab.test',
      })
    : undefined;
const subnets = subnet === undefined ? [] : [subnet, ...readSubnets(options.more ?? [])];
const pool =
  subnet &&
  new LeasePool({
    subnets,
    serverAddresses: [serverAddress],
    table: new LeaseTable(database),
    clock: systemClock,
    kept: new KeptClock(database, systemClock),
    reservations: {
      addressOf: (mac) => reserved.find(([one]) => one === mac)?.[1],
      macOf: (address) => reserved.find(([, one]) => one === address)?.[0],
    },
  });
const noProbe: AddressProbe = { isTaken: async () => false, close: () => {} };
const probe = options.probe === true ? new NetworkProbe(network, systemClock) : noProbe;
const server = await DhcpServer.start({
  network,
  ...(subnet === undefined || pool === undefined
    ? {}
    : {
        full: {
          subnets,
          pool,
          probe,
          identity: options.identity ?? 'mac',
        },
      }),
  isAllowed: (mac) => options.allowed?.includes(mac) ?? true,
  boot: (client) => {
    say({ asked: client });
    return options.boot;
  },
  log,
  nowMs: () => Date.now(),
  onOtherServer: (address) => say({ otherServer: address }),
  onRefused: (client) => say({ refused: client }),
});
const watch = new RivalWatch({
  network,
  mode: options.mode,
  clock: systemClock,
  log,
  onFinding: (finding) => say(finding),
  listenMs: 1500,
});
if (options.watch === true) watch.start();
say({ ready: true });
process.stdin.resume();
process.stdin.on('end', async () => {
  server.stop();
  await watch.stop();
  probe.close();
  say({ counts: server.counts(), leases: pool?.list() });
  database.close();
});
