/** The daemon as a whole: opens everything in order, and closes it in the other. What lies between database and APIs is services.ts. */
import { readFileSync } from 'node:fs';
import { networkInterfaces } from 'node:os';
import { join } from 'node:path';
import type { DaemonStatus } from '#protocol/admin/status-api.ts';
import { knownError } from '#protocol/errors.ts';
import { makeFolder } from '#system/folder.ts';
import type { Logger } from '#system/log.ts';
import { BootAssets } from './boot/boot-assets.ts';
import type { BootInterface } from './boot/boot-interface.ts';
import { formatAddress, readAddress } from './boot/dhcp/address.ts';
import type { Subnet } from './boot/dhcp/subnet.ts';
import { readSubnets } from './boot/full-mode.ts';
import { NetworkBoot } from './boot/network-boot.ts';
import { chooseBootInterfaces } from './boot-interfaces.ts';
import type { Config } from './config.ts';
import { HostTable } from './db/host-table.ts';
import { LeaseTable } from './db/lease-table.ts';
import { makeAdminApp } from './http/admin-app.ts';
import { claimSocket, listenOnSocket } from './http/admin-socket.ts';
import { makeAgentApp } from './http/agent-app.ts';
import type { App } from './http/app.ts';
import { listenAlso } from './http/second-listener.ts';
import { chooseNetwork, type DeploymentNetwork, linkNames, requireCastsOn } from './network.ts';
import { openServices, type Services } from './services.ts';

const VERSION: string = JSON.parse(readFileSync(join(import.meta.dirname, '../package.json'), 'utf8')).version;

export interface Daemon {
  readonly status: () => DaemonStatus;
  readonly socket: string;
  /** Ends casts, keeps the state of every session, closes everything. May be called again. */
  stop(): Promise<void>;
}

/**
 * Starts the daemon and answers when both APIs listen. What is open is closed again when a later part fails.
 * Throws INTERFACE_…, SOCKET_TAKEN, PORT_TAKEN, BOOT_…, STORE_LOCKED, DATABASE_…, FOLDER_UNUSABLE.
 */
export async function serve({ config, log }: { config: Config; log: Logger }): Promise<Daemon> {
  await using opened = new AsyncDisposableStack();
  const place = choosePlace(config);
  const { dataDir, socket } = config.daemon;
  const bootDir = join(dataDir, 'boot');
  await claimSocket(socket);
  for (const path of [dataDir, bootDir]) await makeFolder(path, '[daemon] data_dir, or serve --data-dir');

  const agentUrl = `http://${place.network.address}:${config.network.agentPort}`;
  const services = await openServices(opened, { config, log, agentUrl, ...place });
  const status = statusOf(services, { config, agentUrl, network: place.network });
  const { promise: open, resolve: openAgentApp } = Promise.withResolvers<void>();
  const shared = {
    ...services,
    assets: BootAssets.open(bootDir),
    agentUrl,
    kernelArgs: config.boot.kernelArgs,
    debugShell: config.boot.debugShell === 'on',
    open,
    log,
    zstdLevel: config.capture.zstdLevel,
    version: VERSION,
    status,
  };
  await openAgentApi(opened, await makeAgentApp(shared), place.bootInterfaces, config.network.agentPort);
  const networkBoot = await startNetworkBoot(shared, { config, log, ...place });
  opened.adopt(networkBoot, (one) => one.stop());
  const adminApp = opened.adopt(await makeAdminApp({ ...shared, networkBoot }), (app) => app.close());
  await listenOnSocket(adminApp, socket);
  const { sessions, schedules, events } = services;
  sessions.resume();
  schedules.runs.resume();
  openAgentApp();
  events.add({ subject: 'daemon', action: 'started', text: `The daemon ${VERSION} started, agents on ${agentUrl}` });
  opened.defer(() => void events.add({ subject: 'daemon', action: 'stopped', text: 'The daemon stopped' }));

  const everything = opened.move();
  let stopping: Promise<void> | undefined;
  return {
    status,
    socket,
    stop: () => {
      stopping ??= everything.disposeAsync();
      return stopping;
    },
  };
}

/** Where it serves: the deployment network, and all interfaces on which machines boot, the deployment's first. */
interface Place {
  readonly network: DeploymentNetwork;
  readonly bootInterfaces: readonly BootInterface[];
  readonly subnets: readonly Subnet[];
}

/** Throws INTERFACE_…, BOOT_…, CONFIG_BAD_VALUE. */
function choosePlace(config: Config): Place {
  const network = chooseNetwork(networkInterfaces(), linkNames(), config.network.interface);
  requireCastsOn(network, config.cast.interface);
  const bootInterfaces = chooseBootInterfaces(
    [{ name: network.interface, dhcp: config.boot.dhcp }, ...config.boot.interface],
    config.network.agentPort,
    networkInterfaces(),
    linkNames(),
  );
  return { network, bootInterfaces, subnets: readSubnets(config.boot.subnet) };
}

function statusOf(
  { hosts, catalog, sessions, clock }: Services,
  { config, agentUrl, network }: { config: Config; agentUrl: string; network: DeploymentNetwork },
): () => DaemonStatus {
  const startedAtMs = clock.nowMs();
  return () => ({
    version: VERSION,
    pid: process.pid,
    startedAtMs,
    interface: network.interface,
    address: network.address,
    agentUrl,
    dataDir: config.daemon.dataDir,
    hosts: hosts.count(),
    images: catalog.list().length,
    runningSessions: sessions.running.count,
    rssBytes: process.memoryUsage.rss(),
  });
}

/** Listens on every interface on which machines boot. */
async function openAgentApi(
  opened: AsyncDisposableStack,
  app: App,
  interfaces: readonly BootInterface[],
  port: number,
): Promise<void> {
  opened.adopt(app, (one) => one.close());
  const [first, ...others] = interfaces;
  await listenOnPort(app, first!.address, port);
  for (const { address } of others) opened.adopt(await listenAlso(app, address, port), (one) => one.close());
}

function startNetworkBoot(
  { hosts, events, database, clock, kept, assets }: Services & { readonly assets: BootAssets },
  { config, log, bootInterfaces, subnets }: Place & { readonly config: Config; readonly log: Logger },
): Promise<NetworkBoot> {
  const hostTable = new HostTable(database);
  return NetworkBoot.start({
    settings: config.boot,
    interfaces: bootInterfaces,
    subnets,
    hasOthers: hasOtherAddresses(bootInterfaces.map((one) => one.interface)),
    assets,
    leases: new LeaseTable(database),
    reservations: {
      addressOf: (mac) => readAddress(hosts.settings.addressKeptFor(mac) ?? ''),
      macOf: (address) => hosts.settings.macKeeping(formatAddress(address)),
    },
    isRegistered: (mac) => hostTable.byMac(mac)?.approval === 'approved',
    onUnknown: ({ mac, uuid }) => void hosts.sawBoot(mac, uuid),
    clock,
    kept,
    log,
    onEvent: (action, text) => void events.add({ subject: 'daemon', action, text }),
  });
}

async function listenOnPort(app: App, address: string, port: number): Promise<void> {
  try {
    await app.listen({ host: address, port });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw error;
    throw knownError('PORT_TAKEN', { port, address }, { cause: error });
  }
}

/** Interfaces other than these have IPv4 addresses. */
function hasOtherAddresses(known: readonly string[]): boolean {
  return Object.entries(networkInterfaces()).some(
    ([name, infos]) =>
      !known.includes(name) && infos?.some((info) => info.family === 'IPv4' && !info.internal) === true,
  );
}
