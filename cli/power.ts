/** `fleetcast power …`: hosts whose agents are there are switched off or rebooted. */
import { Command } from 'commander';
import type { HostView, PowerAction } from '#protocol/admin/host-api.ts';
import { KnownError, knownError } from '#protocol/errors.ts';
import { chosenHosts } from './chosen-hosts.ts';
import { apiPath } from './daemon-link.ts';
import { type Cli, type Invocation, invocationOf, withExample } from './invocation.ts';
import { collectNames } from './name-list.ts';

export function powerCommand(cli: Cli): Command {
  return new Command('power')
    .description('Switch hosts in the agent off, or reboot them')
    .addCommand(actionCommand(cli, 'off', 'poweroff', 'Switch off hosts that are in the agent and in no session'))
    .addCommand(actionCommand(cli, 'reboot', 'reboot', 'Reboot hosts that are in the agent and in no session'));
}

function actionCommand(cli: Cli, name: string, action: PowerAction, description: string): Command {
  const command = new Command(name)
    .description(description)
    .argument('[host...]', 'names or ids')
    .option('-g, --group <group>', 'all hosts of a group (repeatable)', collectNames)
    .action(async (names: string[], options: { group?: string[] }, self: Command) => {
      const invocation = invocationOf(cli, self);
      await tellAll(invocation, await chosenHosts(invocation, names, options.group ?? []), action);
    });
  return withExample(command, `fleetcast power ${name} --group room-101`);
}

/** One host that cannot be told does not keep the others. */
async function tellAll(invocation: Invocation, names: readonly string[], action: PowerAction): Promise<void> {
  const { link, terminal, isJson } = invocation;
  const told: HostView[] = [];
  const refusals: KnownError[] = [];
  for (const name of names) {
    try {
      const host = await link.post('host', apiPath`/hosts/${name}/power`, { action });
      told.push(host);
      if (!isJson) terminal.outLine(`${host.name} ${action === 'reboot' ? 'reboots' : 'switches off'}.`);
    } catch (error) {
      if (!(error instanceof KnownError) || error.code === 'DAEMON_UNREACHABLE') throw error;
      refusals.push(error);
    }
  }
  if (isJson) terminal.outJson(told);
  if (refusals.length === 1) throw refusals[0]!;
  if (refusals.length > 1) {
    const reasons = refusals.map((refusal) => refusal.message).join('; ');
    throw knownError('POWER_REFUSED', { count: refusals.length, reasons });
  }
}
