/**
 * The daemon: opens everything, answers until it is told to stop, closes everything.
 *
 *   bin/node server/main.ts [--config F] [--socket F] [--data-dir D] [--interface IF] [--agent-port P] [--log-level L] [--json]
 *   bin/node server/main.ts config show|check|page [--config F] [--json]
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { networkInterfaces } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import type { DaemonStatus } from '#protocol/admin-api.ts';
import { KnownError, knownError } from '#protocol/errors.ts';
import { systemClock } from '#system/clock.ts';
import { type Logger, makeLogger } from '#system/log.ts';
import { makeBootDirector } from './boot/boot-director.ts';
import {
  type Config,
  type ConfigFlags,
  DEFAULT_CONFIG_PATH,
  describeConfig,
  loadConfig,
  renderConfig,
  renderConfigPage,
} from './config.ts';
import { openDatabase } from './db/database.ts';
import { makeAdminApp } from './http/admin-app.ts';
import { claimSocket, listenOnSocket } from './http/admin-socket.ts';
import { makeAgentApp } from './http/agent-app.ts';
import type { App } from './http/app.ts';
import { Catalog } from './images/catalog.ts';
import { ChunkStore } from './images/chunk-store.ts';
import { EventLog } from './inventory/events.ts';
import { Groups } from './inventory/groups.ts';
import { Hosts } from './inventory/hosts.ts';
import { normalizeMac } from './inventory/mac.ts';
import { Tokens } from './inventory/tokens.ts';
import { Waker } from './inventory/wake.ts';
import { chooseNetwork } from './network.ts';
import { Sessions } from './sessions/sessions.ts';

/** A daemon that has not stopped after this long is ended hard, in ms. */
const STOP_LIMIT_MS = 5000;

const VERSION: string = JSON.parse(readFileSync(join(import.meta.dirname, '../package.json'), 'utf8')).version;

export interface Daemon {
  readonly status: () => DaemonStatus;
  readonly socket: string;
  /** Ends casts, keeps the state of every session, closes everything. May be called again. */
  stop(): Promise<void>;
}

/**
 * Starts the daemon and answers when both APIs listen. What is open is closed again when a later part fails.
 * Throws INTERFACE_…, SOCKET_TAKEN, PORT_TAKEN, STORE_LOCKED, DATABASE_….
 */
export async function serve(options: { config: Config; log: Logger }): Promise<Daemon> {
  const { config, log } = options;
  await using opened = new AsyncDisposableStack();
  const network = chooseNetwork(networkInterfaces(), linkNames(), config.network.interface);
  const { dataDir, socket } = config.daemon;
  await claimSocket(socket);
  await mkdir(dataDir, { recursive: true, mode: 0o750 });

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
    runningSessionOf: (hostId) => sessions.runningSessionOf(hostId),
  });
  const groups = new Groups({ database, hosts, events });
  const tokens = new Tokens({ database, hosts, events, clock, bootTokenMs: config.session.bootTokenS * 1000 });
  const waker = new Waker(network);
  const sessions = new Sessions({ database, config, hosts, events, catalog, store, clock, log, network, waker });
  opened.defer(() => sessions.stop());

  const agentUrl = `http://${network.address}:${config.network.agentPort}`;
  const director = makeBootDirector(agentUrl, {
    hostOf: ({ mac, uuid }) => hosts.sawBoot(mac, uuid),
    isCalled: (hostId) => sessions.isCalled(hostId),
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
    runningSessions: sessions.runningCount(),
    rssBytes: process.memoryUsage.rss(),
  });

  const services = { hosts, groups, tokens, events, catalog, store, sessions, director, log, version: VERSION, status };
  const agentApp = opened.adopt(await makeAgentApp(services), (app) => app.close());
  await listenOnPort(agentApp, network.address, config.network.agentPort);
  const adminApp = opened.adopt(await makeAdminApp(services), (app) => app.close());
  await listenOnSocket(adminApp, socket);
  sessions.resume();
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

/** Every network link, the ones without address too. */
function linkNames(): string[] {
  const folder = '/sys/class/net';
  return existsSync(folder) ? readdirSync(folder) : Object.keys(networkInterfaces());
}

/** Runs the daemon as a program until a signal. */
async function runDaemon(config: Config, isJson: boolean): Promise<void> {
  const log = makeLogger(config.daemon.logLevel, 'fleetcast');
  const failHard = (error: unknown) => {
    log.fatal({ err: error }, 'a bug: the daemon ends');
    process.exit(1);
  };
  process.on('uncaughtException', failHard);
  process.on('unhandledRejection', failHard);

  const daemon = await serve({ config, log });
  let isStopping = false;
  const stop = async (signal: NodeJS.Signals) => {
    if (isStopping) process.exit(130);
    isStopping = true;
    log.info({ signal }, 'stopping');
    setTimeout(() => {
      log.error('stopping took too long');
      process.exit(1);
    }, STOP_LIMIT_MS).unref();
    await daemon.stop();
    process.exit(0);
  };
  process.on('SIGTERM', stop);
  process.on('SIGINT', stop);

  const { agentUrl } = daemon.status();
  const ready = { ready: true, socket: daemon.socket, agentUrl, pid: process.pid };
  const line = `fleetcast is ready: admin socket ${daemon.socket}, agents on ${agentUrl}`;
  process.stdout.write(`${isJson ? JSON.stringify(ready) : line}\n`);
}

function runConfig(action: string | undefined, config: Config, isJson: boolean, path: string | undefined): void {
  if (action === 'page') process.stdout.write(renderConfigPage());
  else if (action === 'show') {
    process.stdout.write(isJson ? `${JSON.stringify({ keys: describeConfig(config) })}\n` : renderConfig(config));
  } else if (action === 'check') {
    const place =
      path ?? (existsSync(DEFAULT_CONFIG_PATH) ? DEFAULT_CONFIG_PATH : 'the defaults (there is no config file)');
    process.stdout.write(isJson ? `${JSON.stringify({ ok: true, path: place })}\n` : `OK: ${place}\n`);
  } else throw usage(`config ${action ?? ''}: use config show or config check`);
}

function usage(problem: string): KnownError {
  return knownError('USAGE', { problem, command: 'serve' });
}

function readArguments(argv: readonly string[]) {
  const text = { type: 'string' } as const;
  try {
    return parseArgs({
      args: [...argv],
      allowPositionals: true,
      options: {
        config: text,
        socket: text,
        'data-dir': text,
        interface: text,
        'agent-port': text,
        'log-level': text,
        json: { type: 'boolean', default: false },
      },
    });
  } catch (error) {
    throw usage((error as Error).message);
  }
}

async function main(argv: readonly string[]): Promise<void> {
  const { values, positionals } = readArguments(argv);
  const flags: ConfigFlags = {
    ...(values.socket === undefined ? {} : { socket: values.socket }),
    ...(values['data-dir'] === undefined ? {} : { dataDir: values['data-dir'] }),
    ...(values.interface === undefined ? {} : { interface: values.interface }),
    ...(values['agent-port'] === undefined ? {} : { agentPort: Number(values['agent-port']) }),
    ...(values['log-level'] === undefined ? {} : { logLevel: values['log-level'] }),
  };
  const config = loadConfig(values.config, flags);
  const [command, action] = positionals;
  if (command === 'config') runConfig(action, config, values.json, values.config);
  else if (command === undefined) await runDaemon(config, values.json);
  else throw usage(`unknown command ${command}`);
}

/** Exit codes as the CLI's: 11 something is in the way, 2 what was asked for cannot be, 1 a bug. */
const conflicts: ReadonlySet<string> = new Set(['PORT_TAKEN', 'SOCKET_TAKEN', 'STORE_LOCKED']);

function endWith(error: unknown, isJson: boolean): never {
  if (!(error instanceof KnownError)) {
    process.stderr.write(`${error instanceof Error ? error.stack : String(error)}\n`);
    process.exit(1);
  }
  if (isJson) process.stdout.write(`${JSON.stringify({ error: error.toBody() })}\n`);
  else process.stderr.write(`fleetcast: ${error.message}\n  Next: ${error.next}\n`);
  process.exit(conflicts.has(error.code) ? 11 : 2);
}

if (import.meta.main) {
  const argv = process.argv.slice(2);
  main(argv).catch((error: unknown) => endWith(error, argv.includes('--json')));
}
