/**
 * The program of the server: reads flags and config, runs the daemon until a signal.
 *
 *   bin/node server/main.ts [--config F] [--socket F] [--data-dir D] [--interface IF] [--agent-port P] [--log-level L] [--json]
 *   bin/node server/main.ts config show|check|page [--config F] [--json]
 *   bin/node server/main.ts boot build|check [--config F] [--data-dir D] [--mirror URL] [--arch A]
 *     [--non-free-firmware] [--locked | --update-lock] [--force] [--json]
 *   bin/node server/main.ts doctor [--config F] [--socket F] [--data-dir D]: lines of JSON (protocol/admin/doctor-api.ts)
 */
import { existsSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { KnownError, knownError } from '#protocol/errors.ts';
import { exitCodeOf } from '#protocol/exit-code.ts';
import { makeLogger } from '#system/log.ts';
import { becomeBuild, checkBoot } from './boot-program.ts';
import { type Config, type ConfigFlags, DEFAULT_CONFIG_PATH, loadConfig } from './config.ts';
import { describeConfig, renderConfig, renderConfigPage } from './config-view.ts';
import { blockedError } from './db/database.ts';
import { printServerCheck } from './doctor-program.ts';

/** A daemon that has not stopped after this long is ended hard, in ms. */
const STOP_LIMIT_MS = 4500;

/** Runs the daemon as a program until a signal. */
async function runDaemon(config: Config, isJson: boolean): Promise<void> {
  const log = makeLogger(config.daemon.logLevel, 'fleetcast');
  const failHard = (error: unknown) => {
    log.fatal({ err: error }, 'a bug: the daemon ends');
    process.exit(1);
  };
  process.on('uncaughtException', failHard);
  process.on('unhandledRejection', failHard);

  // Database and store are nobody else's to read; the socket gets its own mode.
  process.umask(0o027);
  // Loaded only here, so that `config check` answers at once.
  const { serve } = await import('./daemon.ts');
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
        mirror: text,
        'non-free-firmware': { type: 'boolean', default: false },
        arch: { type: 'string' },
        locked: { type: 'boolean', default: false },
        'update-lock': { type: 'boolean', default: false },
        force: { type: 'boolean', default: false },
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
  else if (command === 'boot' && action === 'build') becomeBuild(config, buildArguments(values), values.json);
  else if (command === 'boot' && action === 'check') checkBoot(config, values.json);
  else if (command === 'doctor') await printServerCheck(config);
  else if (command === undefined) await runDaemon(config, values.json);
  else throw usage(`unknown command ${command}`);
}

function buildArguments(values: ReturnType<typeof readArguments>['values']): string[] {
  return [
    ...(values.mirror === undefined ? [] : ['--mirror', values.mirror]),
    ...(values.arch === undefined ? [] : ['--arch', values.arch]),
    ...(['non-free-firmware', 'locked', 'update-lock'] as const).flatMap((flag) => (values[flag] ? [`--${flag}`] : [])),
    ...(values.force ? ['--force'] : []),
  ];
}

function endWith(thrown: unknown, isJson: boolean): never {
  const error = blockedError(thrown) ?? thrown;
  if (!(error instanceof KnownError)) {
    process.stderr.write(`${error instanceof Error ? error.stack : String(error)}\n`);
    process.exit(1);
  }
  const text = isJson
    ? JSON.stringify({ error: error.toBody() })
    : `fleetcast: ${error.message}\n  Next: ${error.next}`;
  process.stderr.write(`${text}\n`);
  process.exit(exitCodeOf(error));
}

if (import.meta.main) {
  const argv = process.argv.slice(2);
  main(argv).catch((error: unknown) => endWith(error, argv.includes('--json')));
}
