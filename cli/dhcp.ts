/** `fleetcast dhcp …`: addresses that the server gave, and what to tell a DHCP server of somebody else. */
import { Command, Option } from 'commander';
import { externalKinds, type LeaseView } from '#protocol/admin/dhcp-api.ts';
import { apiPath } from './daemon-link.ts';
import { formatTime } from './duration.ts';
import { type Cli, invocationOf, show, withExample } from './invocation.ts';
import { renderTable } from './table.ts';

export function dhcpCommand(cli: Cli): Command {
  return new Command('dhcp')
    .description('Addresses and boot files over DHCP')
    .addCommand(leasesCommand(cli))
    .addCommand(externalCommand(cli));
}

function leasesCommand(cli: Cli): Command {
  const command = new Command('leases')
    .description('List the addresses that the server gave (with [boot] dhcp = "full")')
    .action(async (_options: object, self: Command) => {
      const invocation = invocationOf(cli, self);
      show(invocation, await invocation.link.get('leases', apiPath`/dhcp/leases`), describeLeases);
    });
  return withExample(command, 'fleetcast dhcp leases');
}

function externalCommand(cli: Cli): Command {
  const command = new Command('external')
    .description('Print what the DHCP server that the network has already must be told')
    .addOption(new Option('--kind <kind>', 'which server it is').choices(externalKinds).makeOptionMandatory())
    .action(async ({ kind }: { kind: string }, self: Command) => {
      const invocation = invocationOf(cli, self);
      const snippet = await invocation.link.get('snippet', apiPath`/dhcp/external/${kind}`);
      show(invocation, snippet, ({ text }) => text.trimEnd());
    });
  return withExample(command, 'fleetcast dhcp external --kind kea');
}

function describeLeases(leases: readonly LeaseView[]): string {
  if (leases.length === 0) return 'No lease.';
  const rows = leases.map(({ address, mac, hostName, state, expiresMs, reservedFor }) => [
    address,
    mac,
    hostName ?? '',
    state,
    expiresMs === undefined ? '' : formatTime(expiresMs),
    reservedFor ?? '',
  ]);
  return renderTable(['Address', 'MAC', 'Name', 'State', 'Until', 'Kept for'], rows);
}
