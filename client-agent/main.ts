/**
 * The agent: the program on a host that was booted from the network.
 *
 *   bin/node client-agent/main.ts --server http://A:8470 --boot-token T [--hardware FILE] [--workers N] [--buffer-mib N]
 *                                 [--on-release exit] [--log-level L]
 *
 * Exit codes: 10 reboot and 11 power off (with `--on-release exit`: whoever started it does that), 12 the server refused the
 * token (boot again for a new one), 2 usage, 1 bug, 130 interrupted. What happens is told on stdout in plain words, the log goes to stderr.
 */
import { readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { parseArgs } from 'node:util';
import { AGENT_PROTOCOL } from '#protocol/agent-api.ts';
import { KnownError } from '#protocol/errors.ts';
import { type Logger, makeLogger } from '#system/log.ts';
import { run } from '#system/run.ts';
import { runAgentLoop } from './agent-loop.ts';
import { readInventory } from './disk/inventory.ts';
import { runCapture } from './orders/capture.ts';
import { ServerLink } from './server-link.ts';

const EXIT_REBOOT = 10;
const EXIT_POWEROFF = 11;
const EXIT_TOKEN_REFUSED = 12;
const EXIT_USAGE = 2;
const EXIT_INTERRUPTED = 130;
/** More threads than this do not write one disk any faster. */
const MOST_WORKERS = 4;

interface Settings {
  readonly server: string;
  readonly bootToken: string;
  readonly hardwareFile?: string;
  readonly workerCount: number;
  readonly bufferBytes?: number;
  readonly exitsOnRelease: boolean;
  readonly logLevel: string;
}

async function main(): Promise<number> {
  let settings: Settings;
  try {
    settings = readSettings(process.argv.slice(2));
  } catch (error) {
    process.stderr.write(`${(error as Error).message}\n`);
    return EXIT_USAGE;
  }
  const log = makeLogger(settings.logLevel, 'agent');
  const interrupted = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => interrupted.abort());
  try {
    const action = await serve(settings, log, interrupted.signal);
    if (settings.exitsOnRelease) return action === 'reboot' ? EXIT_REBOOT : EXIT_POWEROFF;
    await run([action]);
    return 0;
  } catch (error) {
    if (interrupted.signal.aborted) return EXIT_INTERRUPTED;
    if (error instanceof KnownError && error.code === 'TOKEN_REFUSED') {
      say(`${error.message}: booting again`);
      return EXIT_TOKEN_REFUSED;
    }
    log.fatal({ err: error }, 'the agent ends');
    say(error instanceof KnownError ? `${error.message}\n  ${error.next}` : String(error));
    return 1;
  }
}

async function serve(settings: Settings, log: Logger, signal: AbortSignal): Promise<'reboot' | 'poweroff'> {
  const { server, bootToken, hardwareFile, workerCount } = settings;
  const link = new ServerLink({ server, log });
  try {
    const read = () => readInventory({ server, ...(hardwareFile === undefined ? {} : { hardwareFile }) });
    const inventory = await read();
    say(`fleetcast agent ${agentVersion()}: asking ${server}`);
    const hello = { protocol: AGENT_PROTOCOL, agentVersion: agentVersion(), bootToken, inventory };
    const { hostName } = await link.hello(hello, signal);
    say(`this host is ${hostName}`);
    const { bufferBytes } = settings;
    const machine = {
      readInventory: read,
      link,
      workerCount,
      log,
      ...(bufferBytes === undefined ? {} : { bufferBytes }),
    };
    return await runAgentLoop({ machine, hostName, runCapture, say, signal });
  } finally {
    link.close();
  }
}

/** Throws an Error that says what is wrong with the arguments. */
function readSettings(argv: string[]): Settings {
  const { values } = parseArgs({
    args: argv,
    options: {
      server: { type: 'string' },
      'boot-token': { type: 'string' },
      hardware: { type: 'string' },
      workers: { type: 'string' },
      'buffer-mib': { type: 'string' },
      'on-release': { type: 'string' },
      'log-level': { type: 'string', default: 'warn' },
    },
  });
  const { server, hardware, workers } = values;
  const bootToken = values['boot-token'];
  if (server === undefined || !URL.canParse(server)) throw new Error('--server must be a URL: http://ADDRESS:PORT');
  if (bootToken === undefined) throw new Error('--boot-token is missing');
  if (values['on-release'] !== undefined && values['on-release'] !== 'exit')
    throw new Error('--on-release can only be exit');
  const workerCount = workers === undefined ? Math.min(availableParallelism(), MOST_WORKERS) : Number(workers);
  if (!Number.isInteger(workerCount) || workerCount < 1) throw new Error('--workers must be a number from 1');
  const bufferMib = values['buffer-mib'];
  if (bufferMib !== undefined && !/^[1-9]\d{0,3}$/.test(bufferMib))
    throw new Error('--buffer-mib must be from 1 to 9999');
  return {
    server,
    bootToken,
    ...(hardware === undefined ? {} : { hardwareFile: hardware }),
    workerCount,
    ...(bufferMib === undefined ? {} : { bufferBytes: Number(bufferMib) * 1024 * 1024 }),
    exitsOnRelease: values['on-release'] === 'exit',
    logLevel: values['log-level'],
  };
}

function agentVersion(): string {
  const text = readFileSync(new URL('../package.json', import.meta.url), 'utf8');
  return (JSON.parse(text) as { version: string }).version;
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}

process.exitCode = await main();
