/** `fleetcast events`: the audit log. */
import { Command, Option } from 'commander';
import type { EventView } from '#protocol/admin/event-api.ts';
import { apiPath } from './daemon-link.ts';
import { formatTime } from './duration.ts';
import { followStream } from './event-stream.ts';
import { Interrupted, onInterrupt } from './interrupt.ts';
import { type Cli, type Invocation, invocationOf, withExample } from './invocation.ts';
import { printable } from './terminal.ts';
import { usageError } from './usage-error.ts';

interface EventQuery {
  session?: number | undefined;
  host?: string | undefined;
  actor?: string | undefined;
  after?: number | undefined;
  limit?: number | undefined;
}

interface EventsOptions extends EventQuery {
  follow?: boolean;
}

export function eventsCommand(cli: Cli): Command {
  const number = (option: string) => (text: string) => parseNumber(text, option);
  const command = new Command('events')
    .description('Show the audit log: what happened, oldest first')
    .option('-f, --follow', 'go on with what happens from now on')
    .addOption(new Option('--session <session>', 'only of this session').argParser(number('--session')))
    .option('--host <host>', 'only of this host')
    .option('--actor <actor>', 'only what was done on behalf of this user, or "schedule NAME"')
    .addOption(new Option('--after <event>', 'only after this event id').argParser(number('--after')))
    .addOption(new Option('-n, --limit <count>', 'newest so many (200)').argParser(number('--limit')))
    .action((options: EventsOptions, self: Command) => showEvents(invocationOf(cli, self), options));
  return withExample(command, 'fleetcast events --follow --session 12');
}

async function showEvents(invocation: Invocation, options: EventsOptions): Promise<void> {
  const { link, terminal, isJson } = invocation;
  const past = await link.get('events', eventsPath(options));
  if (isJson && !options.follow) {
    terminal.outJson(past);
    return;
  }
  for (const event of past) tell(invocation, event);
  if (!options.follow) {
    if (past.length === 0) terminal.outLine('No event.');
    return;
  }
  await follow(invocation, options, past.at(-1)?.eventId ?? options.after ?? 0);
}

/** Never returns by itself; Ctrl-C throws Interrupted. */
async function follow(invocation: Invocation, options: EventsOptions, afterId: number): Promise<void> {
  const { link, terminal, clock } = invocation;
  const stop = new AbortController();
  const giveBack = onInterrupt(() => stop.abort());
  let lastId = afterId;
  let isAway = false;
  const path = `${eventsPath({ session: options.session, host: options.host, actor: options.actor, after: afterId })}&follow=1`;
  try {
    for await (const item of followStream({ link, path, after: String(afterId), clock, signal: stop.signal })) {
      if (item.kind === 'away') terminal.errorLine('fleetcast: the daemon is away, waiting…');
      if (item.kind === 'connected' && isAway) terminal.errorLine('fleetcast: the daemon is back');
      isAway = item.kind === 'away';
      if (item.kind !== 'message' || item.message.event !== 'audit') continue;
      const event = await link.checked('event', item.message.data);
      // What came with the list may come again with the stream.
      if (event.eventId <= lastId) continue;
      lastId = event.eventId;
      tell(invocation, event);
    }
  } finally {
    giveBack();
  }
  throw new Interrupted(`Go on from here: fleetcast events --follow --after ${lastId}`);
}

function tell({ terminal, isJson }: Invocation, event: EventView): void {
  if (isJson) terminal.outJson(event);
  else terminal.outLine(describeEvent(event));
}

/** `2026-11-22 03:18:46  session 12  pc-07 was woken  (anna)`; the host is named once. */
function describeEvent(event: EventView): string {
  const session = event.sessionId === undefined ? '' : `session ${event.sessionId}`;
  const next = event.error ? `Next: ${event.error.next}` : '';
  const host = event.host !== undefined && !event.text.includes(event.host) ? event.host : '';
  const actor = event.actor === undefined ? '' : `(${event.actor})`;
  const parts = [formatTime(event.atMs), session, host, event.text, actor, next];
  return printable(parts.filter((part) => part !== '').join('  '));
}

function eventsPath(options: EventQuery): string {
  const query = new URLSearchParams();
  if (options.session !== undefined) query.set('session', String(options.session));
  if (options.host !== undefined) query.set('host', options.host);
  if (options.actor !== undefined) query.set('actor', options.actor);
  if (options.limit !== undefined) query.set('limit', String(options.limit));
  if (options.after !== undefined) query.set('after', String(options.after));
  return `${apiPath`/events`}?${query}`;
}

function parseNumber(text: string, option: string): number {
  if (!/^\d{1,15}$/.test(text)) throw usageError(`${option} ${text} is not a number`, 'events');
  return Number(text);
}
