/** `fleetcast session set|add|remove`: what may be changed while a session runs. */
import { Command, Option } from 'commander';
import type { StartPolicy } from '#protocol/admin/deploy-api.ts';
import type { AddedHosts } from '#protocol/admin/session-change-api.ts';
import { knownError } from '#protocol/errors.ts';
import { apiPath } from './daemon-link.ts';
import { type Cli, type Invocation, invocationOf, pathOf, show, withExample } from './invocation.ts';
import { collectNames } from './name-list.ts';
import { acceptPlan } from './plan-question.ts';
import { parseSessionId } from './session-id.ts';
import { describeStartPolicy, parseStartPolicy } from './start-policy.ts';
import { usageError } from './usage-error.ts';
import { headlineOf } from './watch-view.ts';

interface AddOptions {
  hosts?: string[];
  group?: string[];
  disk?: string;
  skipRefused?: boolean;
  yes?: boolean;
}

export function setCommand(cli: Cli): Command {
  const start = new Option('--start <when>', 'when the cast begins: all, N (hosts ready), now, deadline=10m[,N]');
  const command = new Command('set')
    .description('Change when a session that gathers begins; a deadline counts from now')
    .argument('<session>', 'id')
    .addOption(start.argParser(parseStartPolicy))
    .action(async (text: string, options: { start?: StartPolicy }, self: Command) => {
      const invocation = invocationOf(cli, self);
      const id = parseSessionId(text, self);
      if (options.start === undefined) throw usageError('Say what to change: --start', pathOf(self));
      const session = await invocation.link.post('session', apiPath`/sessions/${id}/set`, { start: options.start });
      show(invocation, session, (value) => {
        const starts = value.start === undefined ? '' : ` The cast starts ${describeStartPolicy(value.start)}.`;
        return `${headlineOf(value)}.${starts}`;
      });
    });
  return withExample(command, 'fleetcast session set 12 --start 30,deadline=5m');
}

export function addCommand(cli: Cli): Command {
  const command = new Command('add')
    .description('Add hosts to a running deployment: they get what the others have already got afterwards')
    .argument('<session>', 'id')
    .option('--hosts <hosts>', 'hosts, joined with commas (repeatable)', collectNames)
    .option('-g, --group <group>', 'all hosts of a group that are not in it yet (repeatable)', collectNames)
    .option('--disk <rule>', 'which disk of each host; without it, by the rule of the session')
    .option('--skip-refused', 'leave out the hosts that cannot take part instead of stopping')
    .option('-y, --yes', 'do not ask')
    .action((text: string, options: AddOptions, self: Command) =>
      addHosts(invocationOf(cli, self), parseSessionId(text, self), options),
    );
  return withExample(command, 'fleetcast session add 12 --hosts pc-41,pc-42');
}

async function addHosts(invocation: Invocation, id: number, options: AddOptions): Promise<void> {
  const added: AddedHosts = {
    hosts: options.hosts ?? [],
    groups: options.group ?? [],
    ...(options.disk === undefined ? {} : { disk: options.disk }),
    skipRefused: options.skipRefused === true,
  };
  if (added.hosts.length === 0 && added.groups.length === 0) throw knownError('PLAN_EMPTY');
  const { planId } = await acceptPlan(invocation, {
    isYes: options.yes === true,
    skipRefused: added.skipRefused,
    readPlan: () => invocation.link.post('plan', apiPath`/plans/sessions/${id}/add`, added),
  });
  const session = await invocation.link.post('session', apiPath`/sessions/${id}/add`, { ...added, planId });
  show(invocation, session, (value) => `${headlineOf(value)}.`);
}

export function removeCommand(cli: Cli): Command {
  const command = new Command('remove')
    .description('Take hosts out of a running session; a disk that was being written stays without a partition table')
    .argument('<session>', 'id')
    .requiredOption('--hosts <hosts>', 'hosts, joined with commas (repeatable)', collectNames)
    .action(async (text: string, { hosts }: { hosts: string[] }, self: Command) => {
      const invocation = invocationOf(cli, self);
      const id = parseSessionId(text, self);
      const session = await invocation.link.post('session', apiPath`/sessions/${id}/remove`, { hosts });
      show(invocation, session, (value) => `${headlineOf(value)}; taken out: ${hosts.join(', ')}.`);
    });
  return withExample(command, 'fleetcast session remove 12 --hosts pc-07');
}
