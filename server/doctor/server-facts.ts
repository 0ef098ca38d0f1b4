/** Finds out how the server itself is. Works beside a running daemon, inside it, and without one; changes nothing. */
import { existsSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { connect, createServer } from 'node:net';
import { networkInterfaces } from 'node:os';
import { dirname, join } from 'node:path';
import { type ErrorBody, KnownError, knownError } from '#protocol/errors.ts';
import type { Clock } from '#system/clock.ts';
import { run } from '#system/run.ts';
import { BootAssets } from '../boot/boot-assets.ts';
import { PXE_PORT, SERVER_PORT } from '../boot/dhcp/decision.ts';
import { askForServers } from '../boot/dhcp/rival-watch.ts';
import { findQuerier } from '../boot/igmp-querier.ts';
import { refuseTakenPort } from '../boot/port-holder.ts';
import type { Config } from '../config.ts';
import { examineDatabase } from '../db/database.ts';
import { ImageFiles } from '../images/image-file.ts';
import { freeBytesOf } from '../images/store-space.ts';
import { chooseNetwork, type DeploymentNetwork, linkNames } from '../network.ts';
import { isClockSynchronised } from './clock-state.ts';
import { readLinkState } from './link-state.ts';
import type { LargestImage, ServerFacts, Unknown } from './server-rules.ts';

const TFTP_PORT = 69;

export interface ServerLook {
  readonly config: Config;
  /** This process is the daemon: its ports are its own, and it must not stand still for long. */
  readonly isDaemon: boolean;
  readonly clock: Clock;
  readonly signal: AbortSignal;
}

/** Takes about five seconds, most of it listening for other servers. Throws AbortError. */
export async function lookAtServer(o: ServerLook): Promise<ServerFacts> {
  const { config } = o;
  const { dataDir, socket } = config.daemon;
  const network = findNetwork(config);
  const daemon = o.isDaemon ? 'this' : (await answers(socket)) ? 'another' : 'none';
  const database = join(dataDir, 'fleetcast.db');
  const [ofNetwork, receiveBuffer, udpSender, isSynchronised, space, takenPorts] = await Promise.all([
    'code' in network ? {} : lookAtNetwork(network, o),
    readFile('/proc/sys/net/core/rmem_max', 'utf8'),
    findUdpSender(),
    isClockSynchronised(),
    measureSpace(dataDir),
    daemon === 'none' && !('code' in network) ? findTakenPorts(config, network) : undefined,
  ]);
  o.signal.throwIfAborted();
  return {
    ...{ daemon, socket, network, ...ofNetwork, dhcpMode: config.boot.dhcp, udpSender, space },
    ...(takenPorts === undefined ? {} : { takenPorts }),
    receiveBufferBytes: Number(receiveBuffer),
    isClockSynchronised: isSynchronised,
    bootFilesMissing: BootAssets.open(join(dataDir, 'boot')).missingOf(),
    database: existsSync(database) ? examineDatabase(database, !o.isDaemon) : 'absent',
  };
}

function findNetwork(config: Config): DeploymentNetwork | ErrorBody {
  try {
    return chooseNetwork(networkInterfaces(), linkNames(), config.network.interface);
  } catch (error) {
    if (error instanceof KnownError) return error.toBody();
    throw error;
  }
}

async function lookAtNetwork(network: DeploymentNetwork, { clock, signal }: ServerLook) {
  const { interface: name, address } = network;
  const mac = networkInterfaces()[name]?.find((one) => one.address === address)?.mac ?? '00:00:00:00:00:00';
  const [link, dhcpServers, querier] = await Promise.all([
    orUnknown(readLinkState(name)),
    orUnknown(askForServers({ network: { ...network, mac }, clock, signal })),
    orUnknown(findQuerier({ interface: name, address, clock, signal })),
  ]);
  return { link, dhcpServers, querier };
}

/** What fails here is one thing less that is known; the rest is looked at nevertheless. */
function orUnknown<T>(promise: Promise<T>): Promise<T | Unknown> {
  return promise.catch((error: Error) => ({ unknown: error.message }));
}

async function findUdpSender(): Promise<string | ErrorBody> {
  try {
    await run(['udp-sender', '--license'], { limitMs: 5000, okCodes: [0, 1] });
  } catch (error) {
    if (error instanceof KnownError) return error.toBody();
    throw error;
  }
  const asked = run(['dpkg-query', '--show', 'udpcast'], { limitMs: 5000 });
  return asked.then(
    ({ stdout }) => stdout.trim().split('\t')[1] ?? '',
    () => '',
  );
}

async function measureSpace(dataDir: string): Promise<ServerFacts['space']> {
  try {
    const largest = await findLargestImage(join(dataDir, 'store/images'));
    const path = nearestFolder(dataDir);
    return { path, freeBytes: await freeBytesOf(path), ...(largest === undefined ? {} : { largest }) };
  } catch (error) {
    return { unknown: (error as Error).message };
  }
}

async function findLargestImage(dir: string): Promise<LargestImage | undefined> {
  const files = new ImageFiles(dir);
  let largest: LargestImage | undefined;
  // Not list(): that tidies up, which is the daemon's to do.
  for (const file of await readdir(dir).catch(() => [])) {
    if (!file.endsWith('.json')) continue;
    const image = file.slice(0, -'.json'.length);
    const versions = (await files.read(image).catch(() => undefined))?.versions ?? [];
    const bytes = Math.max(0, ...versions.map(({ storedBytes }) => storedBytes));
    if (bytes > (largest?.bytes ?? 0)) largest = { image, bytes };
  }
  return largest;
}

/** Before the first start the data folder is not there yet. */
function nearestFolder(path: string): string {
  return existsSync(path) || dirname(path) === path ? path : nearestFolder(dirname(path));
}

async function findTakenPorts(config: Config, network: DeploymentNetwork): Promise<ErrorBody[]> {
  const { dhcp, tftp } = config.boot;
  const answersDhcp = dhcp === 'proxy' || dhcp === 'full';
  const udpPorts = [
    ...(answersDhcp ? [SERVER_PORT] : []),
    ...(dhcp === 'proxy' ? [PXE_PORT] : []),
    ...(tftp === 'on' ? [TFTP_PORT] : []),
  ];
  const tried = [
    tryPort(config.network.agentPort, network.address),
    ...udpPorts.map((port) => refuseTakenPort(port, network)),
  ];
  const results = await Promise.allSettled(tried);
  return results.flatMap((result) => {
    if (result.status === 'fulfilled') return [];
    if (result.reason instanceof KnownError) return [result.reason.toBody()];
    throw result.reason;
  });
}

/** Listens for an instant. Throws PORT_TAKEN. */
function tryPort(port: number, address: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', (cause) => reject(knownError('PORT_TAKEN', { port, address }, { cause })));
    server.listen({ port, host: address }, () => server.close(() => resolve()));
  });
}

/** Somebody listens on the socket. */
function answers(socketPath: string): Promise<boolean> {
  return new Promise((resolve) => {
    const connection = connect(socketPath);
    connection.once('connect', () => {
      connection.destroy();
      resolve(true);
    });
    connection.once('error', () => resolve(false));
  });
}
