/** `fleetcast host …`: the machines the server knows. */
import { readFile } from 'node:fs/promises';
import { text as readText } from 'node:stream/consumers';
import { Command } from 'commander';
import type { HostSettings, HostView, ImportAnswer, NewHost } from '#protocol/admin/host-api.ts';
import { apiPath } from './daemon-link.ts';
import { formatDuration } from './duration.ts';
import { type Cli, type Invocation, invocationOf, listing, pathOf, show, withExample } from './invocation.ts';
import { collectNames } from './name-list.ts';
import { historyCommand } from './report.ts';
import { countOf, formatBytes, formatCount } from './size.ts';
import { renderFacts } from './table.ts';
import { usageError } from './usage-error.ts';

export function hostCommand(cli: Cli): Command {
  return new Command('host')
    .description('Hosts: the machines the server knows')
    .addCommand(listCommand(cli))
    .addCommand(showCommand(cli))
    .addCommand(historyCommand(cli))
    .addCommand(addCommand(cli))
    .addCommand(approveCommand(cli))
    .addCommand(renameCommand(cli))
    .addCommand(setCommand(cli))
    .addCommand(removeCommand(cli))
    .addCommand(importCommand(cli));
}

function listCommand(cli: Cli): Command {
  const command = new Command('list').description('List all hosts').action(async (_options: object, self: Command) => {
    const invocation = invocationOf(cli, self);
    const hosts = await invocation.link.get('hosts', apiPath`/hosts`);
    show(invocation, hosts, () => hostTable(invocation, hosts));
  });
  return withExample(command, 'fleetcast host list');
}

function showCommand(cli: Cli): Command {
  const command = new Command('show')
    .description('Show one host: hardware, disks, what it does now')
    .argument('<host>', 'name or id')
    .action(async (host: string, _options: object, self: Command) => {
      const invocation = invocationOf(cli, self);
      const view = await invocation.link.get('host', apiPath`/hosts/${host}`);
      show(invocation, view, (value) => describeHost(value, invocation.clock.nowMs()));
    });
  return withExample(command, 'fleetcast host show pc-07');
}

function addCommand(cli: Cli): Command {
  const command = new Command('add')
    .description('Add a host by its MAC addresses; it is approved at once')
    .argument('<name>', 'name of the new host')
    .argument('<mac...>', 'MAC address of each of its network cards')
    .option('-g, --group <group>', 'group it joins (repeatable)', collectNames)
    .action(async (name: string, macs: string[], options: { group?: string[] }, self: Command) => {
      const invocation = invocationOf(cli, self);
      const body: NewHost = { name, macs, ...(options.group ? { groups: options.group } : {}) };
      const host = await invocation.link.post('host', apiPath`/hosts`, body);
      show(invocation, host, (value) => `Host ${value.name} added (${value.macs.join(', ')}).`);
    });
  return withExample(command, 'fleetcast host add pc-07 52:54:00:12:34:56 --group room-101');
}

function approveCommand(cli: Cli): Command {
  const command = new Command('approve')
    .description('Approve hosts that were seen on the network, so that they may take part')
    .argument('[host...]', 'names or ids')
    .option('--all', 'every pending host')
    .action(async (names: string[], options: { all?: boolean }, self: Command) => {
      const invocation = invocationOf(cli, self);
      if (names.length > 0 === (options.all === true)) throw usageError('Name hosts, or give --all', pathOf(self));
      const wanted = options.all ? await pendingHosts(invocation) : names;
      const approved: HostView[] = [];
      for (const name of wanted) {
        const host = await invocation.link.post('host', apiPath`/hosts/${name}/approve`);
        approved.push(host);
        if (!invocation.isJson) invocation.terminal.outLine(`Host ${host.name} approved.`);
      }
      if (invocation.isJson) invocation.terminal.outJson(approved);
      else if (approved.length === 0) invocation.terminal.outLine('No host is pending.');
    });
  return withExample(command, 'fleetcast host approve --all');
}

function renameCommand(cli: Cli): Command {
  const command = new Command('rename')
    .description('Give a host another name')
    .argument('<host>', 'present name or id')
    .argument('<new>', 'new name')
    .action(async (host: string, name: string, _options: object, self: Command) => {
      const invocation = invocationOf(cli, self);
      const view = await invocation.link.post('host', apiPath`/hosts/${host}/rename`, { name });
      show(invocation, view, (value) => `Host ${host} is now ${value.name}.`);
    });
  return withExample(command, 'fleetcast host rename pc-07 teacher-1');
}

function setCommand(cli: Cli): Command {
  const command = new Command('set')
    .description('Set what the server must know of one host; none removes it')
    .argument('<host>', 'name or id')
    .option('--secure-on <password>', 'six bytes that its network card wants in a magic packet: 00:11:22:33:44:55')
    .option('--address <address>', 'IPv4 address that DHCP keeps for it (with [boot] dhcp = "full")')
    .option('--disk <rule>', 'its disk, when a session does not say: serial=…, transport=nvme, order=1, …')
    .action(async (host: string, options: { secureOn?: string; address?: string; disk?: string }, self: Command) => {
      const { secureOn, address, disk } = options;
      if (secureOn === undefined && address === undefined && disk === undefined) {
        throw usageError('Give --secure-on, --address or --disk', pathOf(self));
      }
      const settings: HostSettings = {
        ...(secureOn === undefined ? {} : { secureOn: secureOn === 'none' ? null : secureOn }),
        ...(address === undefined ? {} : { address: address === 'none' ? null : address }),
        ...(disk === undefined ? {} : { disk: disk === 'none' ? null : disk }),
      };
      const invocation = invocationOf(cli, self);
      const view = await invocation.link.post('host', apiPath`/hosts/${host}/set`, settings);
      show(invocation, view, describeSettings);
    });
  return withExample(command, 'fleetcast host set pc-07 --address 10.0.0.7 --secure-on 00:11:22:33:44:55');
}

function removeCommand(cli: Cli): Command {
  const command = new Command('remove')
    .description('Forget hosts; nothing happens to the machines')
    .argument('<host...>', 'names or ids')
    .action(async (hosts: string[], _options: object, self: Command) => {
      const invocation = invocationOf(cli, self);
      for (const host of hosts) {
        await invocation.link.delete(apiPath`/hosts/${host}`);
        if (!invocation.isJson) invocation.terminal.outLine(`Host ${host} removed.`);
      }
      if (invocation.isJson) invocation.terminal.outJson({ removed: hosts });
    });
  return withExample(command, 'fleetcast host remove pc-07');
}

function importCommand(cli: Cli): Command {
  const command = new Command('import')
    .description('Add hosts from a CSV file, one a line: name,mac[,group]; all or none')
    .argument('<csv>', 'path of the file, - for stdin')
    .action(async (path: string, _options: object, self: Command) => {
      const invocation = invocationOf(cli, self);
      const csv = await readCsv(invocation, path);
      const answer = await invocation.link.post('import', apiPath`/hosts/import`, { csv });
      show(invocation, answer, describeImport);
    });
  return withExample(command, 'fleetcast host import room-101.csv');
}

async function readCsv(invocation: Invocation, path: string): Promise<string> {
  try {
    return path === '-' ? await readText(invocation.terminal.stdin) : await readFile(path, 'utf8');
  } catch (error) {
    const { code = '', message } = error as NodeJS.ErrnoException;
    const reasons: Readonly<Record<string, string>> = { ENOENT: 'there is no such file', EISDIR: 'it is a folder' };
    throw usageError(`${path} cannot be read: ${reasons[code] ?? message}`, invocation.command);
  }
}

async function pendingHosts(invocation: Invocation): Promise<string[]> {
  const hosts = await invocation.link.get('hosts', apiPath`/hosts`);
  return hosts.filter((host) => host.approval === 'pending').map((host) => host.name);
}

function describeImport(answer: ImportAnswer): string {
  const { added, updated, unchanged } = answer;
  return `${countOf(added, 'host')} added, ${formatCount(updated)} changed, ${formatCount(unchanged)} known already.`;
}

function hostTable(invocation: Invocation, hosts: readonly HostView[]): string {
  const nowMs = invocation.clock.nowMs();
  const head = ['HOST', 'APPROVAL', 'NOW', 'SESSION', 'LAST SEEN', 'GROUPS', 'MACS', 'MACHINE'];
  const rows = hosts.map((host) => [
    host.name,
    host.approval,
    host.presence,
    host.session === undefined ? '' : String(host.session),
    lastSeen(host, nowMs),
    host.groups.join(','),
    host.macs.join(','),
    host.inventory ? `${host.inventory.manufacturer} ${host.inventory.product}`.trim() : '',
  ]);
  return listing(
    invocation,
    head,
    rows,
    'No host is known. Boot one from the network, or: fleetcast host add NAME MAC',
  );
}

function describeHost(host: HostView, nowMs: number): string {
  const { inventory } = host;
  return renderFacts([
    ['Host', `${host.name} (id ${host.hostId})`],
    ['Approval', host.approval === 'pending' ? `pending: fleetcast host approve ${host.name}` : host.approval],
    ['Now', host.presence === 'agent' ? 'its agent speaks to the server' : 'away'],
    ['Last seen', lastSeen(host, nowMs)],
    ['Asked to boot', host.lastBootMs === undefined ? undefined : agoOf(host.lastBootMs, nowMs)],
    ['Session', host.session === undefined ? undefined : String(host.session)],
    ['Groups', host.groups.join(', ')],
    ['MACs', host.macs.join('\n')],
    ['Address', host.address && `${host.address}, kept for it by DHCP`],
    ['Disk rule', host.diskRules?.map(({ rule, from }) => `${rule} (set by ${from})`).join('\n')],
    ['SecureOn', host.hasSecureOn ? 'magic packets carry its password' : undefined],
    ['System UUID', host.systemUuid],
    ['Machine', inventory && `${inventory.manufacturer} ${inventory.product} ${inventory.serial}`.trim()],
    ['Firmware', inventory?.firmware],
    ['CPUs', inventory && String(inventory.cpus)],
    ['Memory', inventory && formatBytes(inventory.memoryBytes)],
    ['Network', inventory && networkOf(inventory)],
    [
      'Disks',
      inventory
        ? inventory.disks.map(describeDiskLine).join('\n') || 'none'
        : 'not known: it has not booted the agent yet',
    ],
  ]);
}

function networkOf(inventory: NonNullable<HostView['inventory']>): string {
  const speed = inventory.linkMbit === undefined ? '' : `, ${inventory.linkMbit} Mbit/s`;
  return `${inventory.interface} ${inventory.address} (${inventory.mac}${speed})`;
}

function describeDiskLine(disk: NonNullable<HostView['inventory']>['disks'][number]): string {
  const marks = [
    disk.transport,
    `sectors of ${disk.sectorBytes}`,
    disk.removable ? 'removable' : '',
    disk.readOnly ? 'read-only' : '',
    disk.inUse ? `in use${disk.usedBy === undefined ? '' : ` (${disk.usedBy})`}` : '',
    disk.raidMember ?? '',
  ].filter(Boolean);
  const name = [disk.model, disk.serial && `serial=${disk.serial}`].filter(Boolean).join(' ');
  return `${disk.path}  ${formatBytes(disk.sizeBytes)}  ${name}  (${marks.join(', ')})  ${disk.content || 'empty'}`;
}

function describeSettings({ name, address, hasSecureOn, diskRules = [] }: HostView): string {
  const rules = diskRules.map(({ rule, from }) => ` Its disk: ${rule} (set by ${from}).`).join('');
  const kept = address === undefined ? 'DHCP keeps no address for it' : `DHCP keeps ${address} for it`;
  return `Host ${name}: ${kept}; its magic packets carry ${hasSecureOn ? 'its' : 'no'} SecureOn password.${rules}`;
}

function lastSeen(host: HostView, nowMs: number): string {
  return host.lastSeenMs === undefined ? 'never' : agoOf(host.lastSeenMs, nowMs);
}

function agoOf(atMs: number, nowMs: number): string {
  return `${formatDuration((nowMs - atMs) / 1000)} ago`;
}
