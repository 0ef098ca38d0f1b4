/** `fleetcast config …`: the config file of the daemon, without starting it. */
import { Command } from 'commander';
import { type Cli, invocationOf, withExample } from './invocation.ts';
import { serverArguments } from './serve.ts';
import { becomeServer } from './server-process.ts';

export function configCommand(cli: Cli): Command {
  return new Command('config')
    .description("The daemon's config file")
    .addCommand(partCommand(cli, 'check', 'Check the config file; exit code 2 when something in it is wrong'))
    .addCommand(partCommand(cli, 'show', 'Show every key: its value, unit, range and what it does'));
}

function partCommand(cli: Cli, action: 'check' | 'show', description: string): Command {
  const command = new Command(action)
    .description(description)
    .option('-c, --config <path>', 'config file (default: /etc/fleetcast/fleetcast.toml if it is there)')
    .action((options: { config?: string }, self: Command) => {
      const { isJson, socketOption } = invocationOf(cli, self);
      becomeServer(['config', action, ...serverArguments({ ...options, socket: socketOption }, isJson)]);
    });
  return withExample(command, `fleetcast config ${action} --config /etc/fleetcast/fleetcast.toml`);
}
