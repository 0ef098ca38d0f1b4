/** What the daemon is made of between its database and its two APIs, and what ties the parts together. */
import { join } from 'node:path';
import { systemClock } from '#system/clock.ts';
import type { Logger } from '#system/log.ts';
import { type BootDirector, makeBootDirector } from './boot/boot-director.ts';
import type { BootInterface } from './boot/boot-interface.ts';
import { parseAddress } from './boot/dhcp/address.ts';
import { reservationProblem } from './boot/dhcp/reservation.ts';
import type { Subnet } from './boot/dhcp/subnet.ts';

import type { Config } from './config.ts';
import { ChoiceTable } from './db/choice-table.ts';
import { openDatabase } from './db/database.ts';
import { KeptClock } from './db/kept-clock.ts';
import { Doctor } from './doctor/doctor.ts';
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
import type { DeploymentNetwork } from './network.ts';
import { Schedules } from './schedules/schedules.ts';
import type { RunningSessions } from './sessions/running-sessions.ts';
import { Sessions } from './sessions/sessions.ts';

export interface ServicesOptions {
  readonly config: Config;
  readonly log: Logger;
  /** Base URL of the agent API. */
  readonly agentUrl: string;
  readonly network: DeploymentNetwork;
  readonly bootInterfaces: readonly BootInterface[];
  readonly subnets: readonly Subnet[];
}

export type Services = Awaited<ReturnType<typeof openServices>>;

/** Each part that must be closed is deferred on `opened`. Nothing runs yet. Throws STORE_LOCKED, DATABASE_…. */
export async function openServices(opened: AsyncDisposableStack, o: ServicesOptions) {
  const { config, log } = o;
  const storage = await openStorage(opened, config.daemon.dataDir, log);
  const inventory = makeInventory({ ...o, ...storage, running: () => sessions.running });
  opened.defer(() => inventory.hosts.presence.write());
  await inventory.secrets.removeLeftovers();
  const parts = { ...o, ...storage, ...inventory };
  const sessions: Sessions = new Sessions(parts);
  opened.defer(() => sessions.stop());
  const gate = new StoreGate(() => sessions.running.anySession());
  const schedules = new Schedules({ ...parts, sessions, requireNoPrune: () => gate.requireNoPrune() });
  opened.defer(() => schedules.runs.stop());
  const doctor: Doctor = new Doctor({ ...parts, sessions });
  opened.defer(() => doctor.stop());
  const director = directBoots({ ...parts, sessions, doctor });
  return { ...storage, ...inventory, sessions, gate, schedules, doctor, director };
}

async function openStorage(opened: AsyncDisposableStack, dataDir: string, log: Logger) {
  const clock = systemClock;
  const database = openDatabase(join(dataDir, 'fleetcast.db'));
  opened.defer(() => void database.close());
  const storeDir = join(dataDir, 'store');
  const store = opened.adopt(await ChunkStore.open({ dir: storeDir, database, log }), (one) => one.close());
  const catalog = await Catalog.open({ dir: storeDir, database, store, clock });
  const kept = new KeptClock(database, clock);
  return { clock, kept, database, store, catalog, events: new EventLog(database, clock) };
}

type Storage = Awaited<ReturnType<typeof openStorage>>;

/** `running`: the sessions are made after the inventory. */
function makeInventory(o: ServicesOptions & Storage & { running(): RunningSessions }) {
  const { config, database, events, clock, bootInterfaces, subnets } = o;
  const { dataDir } = config.daemon;
  const ownAddresses = bootInterfaces.map(({ address }) => parseAddress(address));
  const hosts = new Hosts({
    ...{ database, events, clock },
    lostAfterMs: config.session.lostAfterS * 1000,
    runningSessionOf: (hostId) => o.running().sessionOf(hostId),
    addressProblem: (address) =>
      bootInterfaces.some(({ dhcp }) => dhcp === 'full')
        ? reservationProblem(address, subnets, ownAddresses)
        : undefined,
  });
  return {
    hosts,
    groups: new Groups({ database, hosts, events }),
    choices: new ChoiceTable(database),
    finishers: new Finishers({ database, dir: join(dataDir, 'finishers'), events, clock }),
    secrets: new Secrets({
      dir: join(dataDir, 'secrets'),
      ...{ database, events },
      sessionNaming: (secret) => o.running().sessionNaming(secret),
    }),
    tokens: new Tokens({ ...o, hosts, bootTokenMs: config.session.bootTokenS * 1000 }),
    waker: new Waker(o.network, {
      clock,
      secureOnOf: (hostId) => hosts.settings.secureOnOf(hostId),
      repeats: config.session.wakeRepeats,
    }),
  };
}

/** What a machine boots next follows from its host, the sessions and the doctor. */
function directBoots({
  agentUrl,
  hosts,
  tokens,
  events,
  sessions,
  doctor,
}: {
  readonly agentUrl: string;
  readonly hosts: Hosts;
  readonly tokens: Tokens;
  readonly events: EventLog;
  readonly sessions: Sessions;
  readonly doctor: Doctor;
}): BootDirector {
  return makeBootDirector(agentUrl, {
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
}
