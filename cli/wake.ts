/** `fleetcast wake`: switches hosts on over the network, and says which of them came up. */
import { Command, Option } from 'commander';
import type { HostView, WakeAnswer } from '#protocol/admin/host-api.ts';
import { knownError } from '#protocol/errors.ts';
import { chosenHosts } from './chosen-hosts.ts';
import { apiPath } from './daemon-link.ts';
import { formatDuration, parseDuration } from './duration.ts';
import { type Cli, type Invocation, invocationOf, withExample } from './invocation.ts';
import { collectNames } from './name-list.ts';
import { usageError } from './usage-error.ts';

interface WakeOptions {
  group?: string[];
  /** Seconds; false: do not wait. */
  wait: number | false;
}

/** Time between two looks at the hosts, in ms. */
const LOOK_MS = 1000;

export function wakeCommand(cli: Cli): Command {
  const command = new Command('wake')
    .description(
      'Switch hosts on by magic packets and wait until the server has seen them (exit code 3 when one stays away)',
    )
    .argument('[host...]', 'names or ids')
    .option('-g, --group <group>', 'all hosts of a group (repeatable)', collectNames)
    .addOption(new Option('--wait <time>', 'how long to wait for them').argParser(parseWait).default(180, '3m'))
    .option('--no-wait', 'return when the packets are sent')
    .action(async (names: string[], options: WakeOptions, self: Command) => {
      const invocation = invocationOf(cli, self);
      await wake(invocation, await chosenHosts(invocation, names, options.group ?? []), options.wait);
    });
  return withExample(command, 'fleetcast wake --group room-101 --wait 5m');
}

async function wake(invocation: Invocation, names: readonly string[], waitS: number | false): Promise<void> {
  const { link, clock, isJson, terminal } = invocation;
  const say = (line: string) => (isJson ? undefined : terminal.outLine(line));
  const answers: WakeAnswer[] = [];
  for (const name of names) answers.push(await link.post('wake', apiPath`/hosts/${name}/wake`));
  if (waitS === false) {
    for (const { host } of answers) say(`${host.name} was sent magic packets.`);
    if (isJson) terminal.outJson(answers.map(({ host }) => host));
    return;
  }
  const waiting = new Map(answers.map((answer) => [answer.host.hostId, answer]));
  const came: HostView[] = [];
  const untilMs = clock.nowMs() + waitS * 1000;
  while (true) {
    for (const host of await link.get('hosts', apiPath`/hosts`)) {
      const answer = waiting.get(host.hostId);
      if (answer === undefined || !isUp(host, answer.wokenAtMs)) continue;
      waiting.delete(host.hostId);
      came.push(host);
      say(`${host.name} is up.`);
    }
    const leftMs = untilMs - clock.nowMs();
    if (waiting.size === 0 || leftMs <= 0) break;
    await clock.sleep(Math.min(LOOK_MS, leftMs));
  }
  if (isJson) terminal.outJson(came);
  if (waiting.size === 0) return;
  const hosts = [...waiting.values()].map(({ host }) => host.name).join(', ');
  throw knownError('HOSTS_NOT_AWAKE', { hosts, seconds: waitS });
}

/** Its agent spoke, or its firmware asked what to boot. */
export function isUp(host: Pick<HostView, 'lastSeenMs' | 'lastBootMs'>, sinceMs: number): boolean {
  return Math.max(host.lastSeenMs ?? 0, host.lastBootMs ?? 0) >= sinceMs;
}

function parseWait(text: string): number {
  const seconds = parseDuration(text);
  if (seconds !== undefined) return seconds;
  throw usageError(`--wait ${text} is not a time like ${formatDuration(90)}`, 'wake');
}
