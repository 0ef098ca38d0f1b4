/** `fleetcast boot …`: the boot assets, which machines fetch when they start from the network. */
import { Command, Option } from 'commander';
import { type Cli, invocationOf, withExample } from './invocation.ts';
import { serverArguments } from './serve.ts';
import { becomeServer } from './server-process.ts';

interface BootOptions {
  config?: string;
  dataDir?: string;
}

interface BuildOptions extends BootOptions {
  mirror?: string;
  arch?: string;
  nonFreeFirmware?: boolean;
  locked?: boolean;
  updateLock?: boolean;
  force?: boolean;
}

export function bootCommand(cli: Cli): Command {
  return new Command('boot')
    .description('Kernel, agent and boot loaders for machines that start from the network')
    .addCommand(buildCommand(cli))
    .addCommand(checkCommand(cli));
}

function buildCommand(cli: Cli): Command {
  const command = new Command('build')
    .description('Build them from Debian packages, about a minute; nothing is done when they are up to date')
    .option('--mirror <url>', "Debian mirror (default: the one in this machine's apt sources)")
    .addOption(
      new Option('--arch <name>', 'processor of the hosts; what was built for another one stays').choices([
        'amd64',
        'arm64',
      ]),
    )
    .option('--non-free-firmware', "add the firmware files that drivers ask for, from Debian's non-free-firmware")
    .option('--locked', 'refuse packages that are not exactly those of the lock')
    .addOption(new Option('--update-lock', 'fetch the newest packages and make them the lock').conflicts('locked'))
    .option('--force', 'fetch the packages anew and build, even when all is up to date');
  return withFolders(cli, command, 'build', (options: BuildOptions) => [
    ...(options.mirror === undefined ? [] : [`--mirror=${options.mirror}`]),
    ...(options.arch === undefined ? [] : [`--arch=${options.arch}`]),
    ...(options.nonFreeFirmware ? ['--non-free-firmware'] : []),
    ...(options.locked ? ['--locked'] : []),
    ...(options.updateLock ? ['--update-lock'] : []),
    ...(options.force ? ['--force'] : []),
  ]);
}

function checkCommand(cli: Cli): Command {
  const command = new Command('check').description('Say which kinds of machine can be booted, and what is missing');
  return withFolders(cli, command, 'check', () => []);
}

function withFolders<T extends BootOptions>(
  cli: Cli,
  command: Command,
  action: string,
  more: (options: T) => string[],
): Command {
  command
    .option('-c, --config <path>', 'config file (default: /etc/fleetcast/fleetcast.toml if it is there)')
    .option('--data-dir <path>', 'folder of the database and the store')
    .action((options: T, self: Command) => {
      const { isJson, socketOption } = invocationOf(cli, self);
      const { config, dataDir } = options;
      const folders = { ...(config && { config }), ...(dataDir && { dataDir }), socket: socketOption };
      becomeServer(['boot', action, ...serverArguments(folders, isJson), ...more(options)]);
    });
  return withExample(command, `fleetcast boot ${action}`);
}
