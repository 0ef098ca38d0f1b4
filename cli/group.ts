/** `fleetcast group …`: named sets of hosts. */
import { Command } from 'commander';
import type { GroupView } from '#protocol/admin/group-api.ts';
import { knownError } from '#protocol/errors.ts';
import { type ChoiceOptions, choose, describeChosen, isChoice, withChoiceOptions } from './choice.ts';
import { apiPath } from './daemon-link.ts';
import { type Cli, invocationOf, listing, show, withExample } from './invocation.ts';
import { countOf } from './size.ts';
import { renderFacts } from './table.ts';
import { usageError } from './usage-error.ts';

export function groupCommand(cli: Cli): Command {
  return new Command('group')
    .description('Groups: named sets of hosts')
    .addCommand(listCommand(cli))
    .addCommand(showCommand(cli))
    .addCommand(createCommand(cli))
    .addCommand(memberCommand(cli, 'add'))
    .addCommand(memberCommand(cli, 'remove'))
    .addCommand(renameCommand(cli))
    .addCommand(setCommand(cli))
    .addCommand(deleteCommand(cli));
}

function listCommand(cli: Cli): Command {
  const command = new Command('list').description('List all groups').action(async (_options: object, self: Command) => {
    const invocation = invocationOf(cli, self);
    const groups = await invocation.link.get('groups', apiPath`/groups`);
    const rows = groups.map((group) => [group.name, String(group.hosts.length), group.hosts.join(',')]);
    const whenEmpty = 'There is no group. Make one: fleetcast group create NAME HOST…';
    show(invocation, groups, () => listing(invocation, ['GROUP', 'COUNT', 'HOSTS'], rows, whenEmpty, [1]));
  });
  return withExample(command, 'fleetcast group list');
}

function showCommand(cli: Cli): Command {
  const command = new Command('show')
    .description('List the hosts of a group, one a line, and below them what is set for them')
    .argument('<group>')
    .action(async (name: string, _options: object, self: Command) => {
      const invocation = invocationOf(cli, self);
      const groups = await invocation.link.get('groups', apiPath`/groups`);
      const group = groups.find((candidate) => candidate.name === name);
      if (!group) throw knownError('GROUP_UNKNOWN', { group: name });
      show(invocation, group, describeGroup);
    });
  return withExample(command, 'fleetcast group show room-101');
}

function createCommand(cli: Cli): Command {
  const command = new Command('create')
    .description('Make a group, with hosts or empty')
    .argument('<name>', 'name of the new group')
    .argument('[host...]', 'hosts that join it')
    .action(async (name: string, hosts: string[], _options: object, self: Command) => {
      const invocation = invocationOf(cli, self);
      let group = await invocation.link.post('group', apiPath`/groups`, { name });
      if (hosts.length > 0) group = await invocation.link.post('group', apiPath`/groups/${name}/add`, { hosts });
      show(invocation, group, (value) => `Group ${value.name} made, ${countOf(value.hosts.length, 'host')}.`);
    });
  return withExample(command, 'fleetcast group create room-101 pc-01 pc-02 pc-03');
}

function memberCommand(cli: Cli, verb: 'add' | 'remove'): Command {
  const command = new Command(verb)
    .description(verb === 'add' ? 'Put hosts into a group' : 'Take hosts out of a group')
    .argument('<group>')
    .argument('<host...>', 'names or ids')
    .action(async (name: string, hosts: string[], _options: object, self: Command) => {
      const invocation = invocationOf(cli, self);
      const group = await invocation.link.post('group', `${apiPath`/groups/${name}/`}${verb}`, { hosts });
      show(invocation, group, describeSize);
    });
  return withExample(command, `fleetcast group ${verb} room-101 pc-04 pc-05`);
}

function renameCommand(cli: Cli): Command {
  const command = new Command('rename')
    .description('Give a group another name')
    .argument('<group>', 'present name')
    .argument('<new>', 'new name')
    .action(async (name: string, newName: string, _options: object, self: Command) => {
      const invocation = invocationOf(cli, self);
      const group = await invocation.link.post('group', apiPath`/groups/${name}/rename`, { name: newName });
      show(invocation, group, (value) => `Group ${name} is now ${value.name}.`);
    });
  return withExample(command, 'fleetcast group rename room-101 room-102');
}

function setCommand(cli: Cli): Command {
  const command = withChoiceOptions(
    new Command('set')
      .description('Set what holds for all hosts of a group, one thing at a time; none removes a disk rule')
      .argument('<group>')
      .option('--disk <rule>', 'their disk, when neither the session nor the host says: transport=nvme, order=1, …'),
  ).action(async (name: string, options: ChoiceOptions & { disk?: string }, self: Command) => {
    const invocation = invocationOf(cli, self);
    if (isChoice(options) && options.disk !== undefined) {
      throw usageError('set one thing at a time', invocation.command);
    }
    if (options.disk === undefined) return choose(invocation, 'group', name, options);
    const disk = options.disk === 'none' ? null : options.disk;
    const group = await invocation.link.post('group', apiPath`/groups/${name}/set`, { disk });
    show(invocation, group, (value) => `Group ${value.name}: its disk rule is ${value.disk ?? 'not set'}.`);
  });
  return withExample(command, 'fleetcast group set room-101 --disk transport=nvme');
}

function deleteCommand(cli: Cli): Command {
  const command = new Command('delete')
    .description('Delete a group; its hosts stay')
    .argument('<group>')
    .action(async (name: string, _options: object, self: Command) => {
      const invocation = invocationOf(cli, self);
      await invocation.link.delete(apiPath`/groups/${name}`);
      show(invocation, { removed: [name] }, () => `Group ${name} deleted.`);
    });
  return withExample(command, 'fleetcast group delete room-101');
}

function describeGroup({ name, hosts, disk, ...chosen }: GroupView): string {
  const set = renderFacts([['Disk rule', disk], ...describeChosen(chosen)]);
  return [hosts.join('\n') || `The group ${name} has no hosts.`, set].filter((block) => block !== '').join('\n\n');
}

function describeSize(group: GroupView): string {
  return `Group ${group.name} has ${countOf(group.hosts.length, 'host')} now.`;
}
