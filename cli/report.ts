/** `fleetcast session report` and `host history`: what was done to which host. */
import { Command, Option } from 'commander';
import { apiPath } from './daemon-link.ts';
import { type Cli, invocationOf, show, withExample } from './invocation.ts';
import { renderHistory, renderReport, reportCsv } from './report-view.ts';
import { parseSessionId } from './session-id.ts';
import { usageError } from './usage-error.ts';

const MOST_SESSIONS = 1000;

export function reportCommand(cli: Cli): Command {
  const command = new Command('report')
    .description('Show what a session did to each host: disk, checks, bytes, times; which failed, why, and what to do')
    .argument('<session>', 'id')
    .option('--csv', 'as comma-separated values (RFC 4180), one line a host')
    .action(async (text: string, options: { csv?: boolean }, self: Command) => {
      const invocation = invocationOf(cli, self);
      const { terminal, clock } = invocation;
      const id = parseSessionId(text, self);
      if (options.csv && invocation.isJson) throw usageError('Choose one of --csv and --json', invocation.command);
      const report = await invocation.link.get('report', apiPath`/sessions/${id}/report`);
      if (options.csv) terminal.out(reportCsv(report));
      else
        show(invocation, report, (value) => renderReport(value, clock.nowMs(), (head) => terminal.paint(head, 'bold')));
    });
  return withExample(command, 'fleetcast session report 12 --csv');
}

export function historyCommand(cli: Cli): Command {
  const limit = new Option('-n, --limit <count>', 'newest so many sessions').argParser(parseLimit).default(20);
  const command = new Command('history')
    .description('Show what was done to a host, newest first')
    .argument('<host>', 'name or id')
    .addOption(limit)
    .action(async (host: string, options: { limit: number }, self: Command) => {
      const invocation = invocationOf(cli, self);
      const receipts = await invocation.link.get('receipts', apiPath`/hosts/${host}/history?limit=${options.limit}`);
      show(invocation, receipts, (value) =>
        value.length === 0
          ? 'It took part in no session yet.'
          : renderHistory(value, (head) => invocation.terminal.paint(head, 'bold')),
      );
    });
  return withExample(command, 'fleetcast host history pc-07');
}

function parseLimit(text: string): number {
  const count = /^\d{1,4}$/.test(text) ? Number(text) : 0;
  if (count < 1 || count > MOST_SESSIONS) {
    throw usageError(`--limit ${text} is not a count from 1 to ${MOST_SESSIONS}`, 'host history');
  }
  return count;
}
