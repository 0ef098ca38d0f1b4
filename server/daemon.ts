/** The daemon as a whole: opens everything in order, and closes it in the other. */
import { readFileSync } from 'node:fs';
import { networkInterfaces } from 'node:os';
import { join } from 'node:path';
import type { DaemonStatus } from '#protocol/admin/status-api.ts';
import { knownError } from '#protocol/errors.ts';
import { systemClock } from '#system/clock.ts';
import { makeFolder } from '#system/folder.ts';
import type { Logger } from '#system/log.ts';
import { BootAssets } from './boot/boot-assets.ts';
import { makeBootDirector } from './boot/boot-director.ts';
import { formatAddress, parseAddress, readAddress } from './boot/dhcp/address.ts';
import { reservationProblem } from './boot/dhcp/reservation.ts';
import { readSubnets } from './boot/full-mode.ts';
import { NetworkBoot } from './boot/network-boot.ts';
import { chooseBootInterfaces } from './boot-interfaces.ts';
import type { Config } from './config.ts';
import { ChoiceTable } from './db/choice-table.ts';
import { openDatabase } from './db/database.ts';
import { HostTable } from './db/host-table.ts';
import { KeptClock } from './db/kept-clock.ts';
import { LeaseTable } from './db/lease-table.ts';
import { Doctor } from './doctor/doctor.ts';
import { makeAdminApp } from './http/admin-app.ts';
import { claimSocket, listenOnSocket } from './http/admin-socket.ts';
import { makeAgentApp } from './http/agent-app.ts';
import type { App } from './http/app.ts';
import { listenAlso } from './http/second-listener.ts';
import { StoreGate } from './http/store-gate.ts';
import { Catalog } from './images/catalog.ts';
import { ChunkStore } from './images/chunk-store.ts';
import { EventLog } from './inventory/events.ts';
import { Finishers } from './inventory/finishers.ts';
import { Groups } from './inventory/groups.ts';
import { Hosts } from './inventory/hosts.ts';
import { normalizeMac } from './inventory/mac.ts';
import { Secrets } from './inventory/secrets.ts';
import { Tokens } from './inventory/tokens.ts';
import { Waker } from './inventory/wake.ts';
import { chooseNetwork, linkNames, requireCastsOn } from './network.ts';
import { Schedules } from './schedules/schedules.ts';
import { Sessions } from './sessions/sessions.ts';

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
export async function serve(options: { config: Config; log: Logger }): Promise<Daemon> {
  const { config, log } = options;
  await using opened = new AsyncDisposableStack();
  const network = chooseNetwork(networkInterfaces(), linkNames(), config.network.interface);
  requireCastsOn(network, config.cast.interface);
  const bootInterfaces = chooseBootInterfaces(
    [{ name: network.interface, dhcp: config.boot.dhcp }, ...config.boot.interface],
    config.network.agentPort,
    networkInterfaces(),
    linkNames(),
  );
  const subnets = readSubnets(config.boot.subnet);
  const ownAddresses = bootInterfaces.map(({ address }) => parseAddress(address));
  const { dataDir, socket } = config.daemon;
  await claimSocket(socket);
  for (const path of [dataDir, join(dataDir, 'boot')]) await makeFolder(path, '[daemon] data_dir, or serve --data-dir');

  const clock = systemClock;
  const database = openDatabase(join(dataDir, 'fleetcast.db'));
  opened.defer(() => void database.close());
  const storeDir = join(dataDir, 'store');
  const store = opened.adopt(await ChunkStore.open({ dir: storeDir, database, log }), (one) => one.close());
  const catalog = await Catalog.open({ dir: storeDir, database, store, clock });

  const events = new EventLog(database, clock);
  const hosts: Hosts = new Hosts({
    database,
    events,
    clock,
    lostAfterMs: config.session.lostAfterS * 1000,
    runningSessionOf: (hostId) => sessions.running.sessionOf(hostId),
    addressProblem: (address) =>
      bootInterfaces.some(({ dhcp }) => dhcp === 'full')
        ? reservationProblem(address, subnets, ownAddresses)
        : undefined,
  });
  opened.defer(() => hosts.presence.write());
  const groups = new Groups({ database, hosts, events });
  const choices = new ChoiceTable(database);
  const finishers = new Finishers({ database, dir: join(dataDir, 'finishers'), events, clock });
  const secrets = new Secrets({
    dir: join(dataDir, 'secrets'),
    ...{ database, events },
    sessionNaming: (secret) => sessions.running.sessionNaming(secret),
  });
  await secrets.removeLeftovers();
  const kept = new KeptClock(database, clock);
  const tokens = new Tokens({ database, hosts, events, clock, kept, bootTokenMs: config.session.bootTokenS * 1000 });
  const waker = new Waker(network, {
    clock,
    secureOnOf: (hostId) => hosts.settings.secureOnOf(hostId),
    repeats: config.session.wakeRepeats,
  });
  const sessions: Sessions = new Sessions({
    ...{ database, config, hosts, finishers, secrets, events, catalog, store, clock, log, network, waker },
  });
  opened.defer(() => sessions.stop());
  const gate = new StoreGate(() => sessions.running.anySession());
  const schedules = new Schedules({
    ...{ database, config, hosts, events, catalog, sessions, clock, log },
    requireNoPrune: () => gate.requireNoPrune(),
  });
  opened.defer(() => schedules.runs.stop());

  const doctor: Doctor = new Doctor({ config, hosts, sessions, waker, events, clock, network });
  opened.defer(() => doctor.stop());

  const agentUrl = `http://${network.address}:${config.network.agentPort}`;
  const director = makeBootDirector(agentUrl, {
    hostOf: ({ mac, uuid }) => {
      const host = hosts.sawBoot(mac, uuid);
      return host && { ...host, isRegistered: host.inventory !== undefined };
    },
    isCalled: (hostId) => sessions.running.isCalled(hostId) || doctor.isCalled(hostId),
    issueToken: (host, { mac, uuid }) => {
      const text = `${host.name} (${normalizeMac(mac)}) boots the agent`;
      events.add({ subject: 'host', action: 'boots-agent', text, hostId: host.hostId, host: host.name });
      return tokens.issueBoot(host.hostId, { mac: normalizeMac(mac), systemUuid: uuid });
    },
  });
  const startedAtMs = clock.nowMs();
  const status = (): DaemonStatus => ({
    version: VERSION,
    pid: process.pid,
    startedAtMs,
    interface: network.interface,
    address: network.address,
    agentUrl,
    dataDir,
    hosts: hosts.count(),
    images: catalog.list().length,
    runningSessions: sessions.running.count,
    rssBytes: process.memoryUsage.rss(),
  });

  const { promise: open, resolve: openAgentApp } = Promise.withResolvers<void>();
  const services = {
    hosts,
    groups,
    finishers,
    secrets,
    choices,
    tokens,
    events,
    catalog,
    store,
    sessions,
    schedules,
    gate,
    director,
    assets: BootAssets.open(join(dataDir, 'boot')),
    waker,
    clock,
    agentUrl,
    kernelArgs: config.boot.kernelArgs,
    debugShell: config.boot.debugShell === 'on',
    open,
    log,
    zstdLevel: config.capture.zstdLevel,
    version: VERSION,
    status,
  };
  const agentApp = opened.adopt(await makeAgentApp(services), (app) => app.close());
  await listenOnPort(agentApp, network.address, config.network.agentPort);
  for (const { address } of bootInterfaces.slice(1)) {
    opened.adopt(await listenAlso(agentApp, address, config.network.agentPort), (one) => one.close());
  }
  const hostTable = new HostTable(database);
  const networkBoot = opened.adopt(
    await NetworkBoot.start({
      settings: config.boot,
      interfaces: bootInterfaces,
      subnets,
      hasOthers: hasOtherAddresses(bootInterfaces.map((one) => one.interface)),
      assets: services.assets,
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
    }),
    (one) => one.stop(),
  );
  const adminApp = opened.adopt(await makeAdminApp({ ...services, networkBoot, doctor }), (app) => app.close());
  await listenOnSocket(adminApp, socket);
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
