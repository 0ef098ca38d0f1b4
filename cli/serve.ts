/** `fleetcast serve`: becomes the daemon, in the foreground. */
import { Command } from 'commander';
import { type Cli, invocationOf, withExample } from './invocation.ts';
import { becomeServer } from './server-process.ts';

interface ServeOptions {
  config?: string;
  dataDir?: string;
  interface?: string;
  agentPort?: string;
  logLevel?: string;
}

export function serveCommand(cli: Cli): Command {
  const command = new Command('serve')
    .description(
      'Run the daemon in the foreground; SIGTERM or Ctrl-C stops it, running sessions go on at the next start',
    )
    .option('-c, --config <path>', 'config file (default: /etc/fleetcast/fleetcast.toml if it is there)')
    .option('--data-dir <path>', 'folder of the database and the store')
    .option('--interface <name>', 'network interface of the deployment network')
    .option('--agent-port <port>', 'TCP port for boot targets and agents')
    .option('--log-level <level>', 'trace, debug, info, warn, error, fatal')
    .action((options: ServeOptions, self: Command) => {
      const { isJson, socketOption } = invocationOf(cli, self);
      becomeServer(serverArguments({ ...options, socket: socketOption }, isJson));
    });
  return withExample(command, 'fleetcast serve --interface enp3s0');
}

/** Flags of server/main.ts: only those that were given. */
export function serverArguments(options: ServeOptions & { socket?: string | undefined }, isJson: boolean): string[] {
  const flags: [name: string, value: string | undefined][] = [
    ['--config', options.config],
    ['--socket', options.socket],
    ['--data-dir', options.dataDir],
    ['--interface', options.interface],
    ['--agent-port', options.agentPort],
    ['--log-level', options.logLevel],
  ];
  const given = flags.flatMap(([name, value]) => (value === undefined ? [] : [`${name}=${value}`]));
  return isJson ? [...given, '--json'] : given;
}
