/** `fleetcast status`: is the daemon there, and what does it do. */
import { Command } from 'commander';
import type { DaemonStatus } from '#protocol/admin/status-api.ts';
import { apiPath } from './daemon-link.ts';
import { formatDuration, formatTime } from './duration.ts';
import { type Cli, invocationOf, show, withExample } from './invocation.ts';
import { formatBytes, formatCount } from './size.ts';
import { renderFacts } from './table.ts';

export function statusCommand(cli: Cli): Command {
  const command = new Command('status')
    .description('Show the daemon: where it listens, what it holds, what runs')
    .action(async (_options: object, self: Command) => {
      const invocation = invocationOf(cli, self);
      const status = await invocation.link.get('status', apiPath`/status`);
      show(invocation, status, (value) => describeStatus(value, invocation.clock.nowMs()));
    });
  return withExample(command, 'fleetcast status');
}

function describeStatus(status: DaemonStatus, nowMs: number): string {
  const up = formatDuration((nowMs - status.startedAtMs) / 1000);
  return renderFacts([
    [
      'Daemon',
      `fleetcast ${status.version}, process ${status.pid}, up ${up} (since ${formatTime(status.startedAtMs)})`,
    ],
    ['Network', `${status.interface}, ${status.address}`],
    ['Agents call', status.agentUrl],
    ['Data', status.dataDir],
    ['Hosts', formatCount(status.hosts)],
    ['Images', formatCount(status.images)],
    ['Running', `${formatCount(status.runningSessions)} session${status.runningSessions === 1 ? '' : 's'}`],
    ['Memory', formatBytes(status.rssBytes)],
  ]);
}
