/** `fleetcast deploy`: shows the plan, asks, starts the session. */
import { Command, Option } from 'commander';
import {
  type CastMode,
  DEFAULT_FEC,
  type DeltaPolicy,
  type DeployRequest,
  FEC_PATTERN,
  type StartPolicy,
  type WaveSize,
} from '#protocol/admin/deploy-api.ts';
import type { DeployPlan } from '#protocol/admin/plan-api.ts';
import { knownError } from '#protocol/errors.ts';
import { exitCodes } from '#protocol/exit-code.ts';
import type { GrowRule } from '#protocol/grow-rule.ts';
import { luksSecretOption, onDoneOption, onFailureOption } from './capture.ts';
import { apiPath } from './daemon-link.ts';
import { parseDuration } from './duration.ts';
import { parseGrow } from './grow.ts';
import { type Cli, type Invocation, invocationOf, pathOf, show, withExample } from './invocation.ts';
import { collectNames } from './name-list.ts';
import { acceptPlan, isAcceptable } from './plan-question.ts';
import { renderPlan } from './plan-view.ts';
import { parseRate } from './rate.ts';
import { parseStartPolicy } from './start-policy.ts';
import { tellStarted } from './started.ts';
import { usageError } from './usage-error.ts';
import { watchSession } from './watch.ts';
import { parseFailureLimit, parseWaveSizes } from './wave-sizes.ts';

export interface DeployOptions {
  hosts?: string[];
  group?: string[];
  disk?: string;
  start: StartPolicy;
  rate?: number;
  mode: CastMode;
  fec?: string;
  weight?: number;
  verify: DeployRequest['verify'];
  delta: DeltaPolicy;
  grow?: GrowRule;
  newIds?: boolean;
  luksSecret?: string[];
  finishers?: string[];
  hostname?: string;
  keepNetbootFirst?: boolean;
  onDone: DeployRequest['onDone'];
  onFailure: NonNullable<DeployRequest['onFailure']>;
  wakeWave?: number;
  wakeGap?: number;
  waves?: WaveSize[];
  stopAtFailures?: number;
  skipRefused?: boolean;
  dryRun?: boolean;
  yes?: boolean;
  watch?: boolean;
}

export function deployCommand(cli: Cli): Command {
  const start = new Option('--start <when>', 'when the cast begins: all, N (hosts ready), now, deadline=10m[,N]');
  const command = new Command('deploy')
    .description('Lay an image on many hosts at once. Shows the plan and asks before anything is written')
    .argument('<image>', 'NAME (its newest version) or NAME@VERSION')
    .option('--hosts <hosts>', 'hosts, joined with commas (repeatable)', collectNames)
    .option('-g, --group <group>', 'all hosts of a group (repeatable)', collectNames)
    .option(
      '--disk <rule>',
      'which disk of each host: serial=…, wwn=…, path=…, size>100G, transport=nvme, model=Samsung*, order=1, each (all of them), …',
    )
    .addOption(start.argParser(parseStartPolicy).default({ when: 'all' }, 'all'))
    .addOption(new Option('--rate <mbit>', 'cap of the cast in Mbit/s: 300, 1G').argParser(parseRate))
    .addOption(
      new Option('--mode <mode>', 'how the image travels')
        .choices(['multicast', 'broadcast', 'unicast', 'oneway'])
        .default('multicast'),
    )
    .addOption(
      new Option(
        '--fec <KxR/S>',
        `spare packets of --mode oneway, as udp-sender takes it (default: ${DEFAULT_FEC})`,
      ).argParser(parseFec),
    )
    .addOption(
      new Option('--weight <n>', 'its part of an interface with a cap, against other casts (default: 1)').argParser(
        parseWeight,
      ),
    )
    .addOption(
      new Option('--verify <how>', 'read the disks back, check every chunk, and look into LVM, LUKS and mirrors')
        .choices(['full', 'none'])
        .default('full'),
    )
    .addOption(
      new Option(
        '--delta <when>',
        'hosts hash their disks first and take only what they lack; auto: when that is quicker',
      )
        .choices(['auto', 'always', 'never'])
        .default('auto'),
    )
    .addOption(
      new Option(
        '--grow <which>',
        'what takes the room of a larger disk: none (it stays free), last (the last partition that can grow), proportional, the number of a partition, or a logical volume of LVM (vg0/root)',
      ).argParser(parseGrow),
    )
    .option(
      '--finishers <names>',
      'what runs when a disk is laid, in this order, joined with commas; none: nothing (default: what the group, else the image chooses)',
      collectNames,
    )
    .option(
      '--hostname <template>',
      'what each machine calls itself: lab-{{n:2}}, {{serial}} (default: the name of its host)',
    )
    .option('--keep-netboot-first', 'the finisher boot leaves network boot first in the boot order of UEFI firmware')
    .option(
      '--new-ids',
      'give each disk ids of its own: GPT and partition GUIDs, MBR signature (PARTUUID in fstab and Windows BCD break)',
    )
    .addOption(
      luksSecretOption('what opens the LUKS containers of the image on the hosts, the first one and any further ones'),
    )
    .addOption(onDoneOption())
    .addOption(onFailureOption())
    .addOption(new Option('--wake-wave <count>', 'wake at most so many hosts at once').argParser(parseWave))
    .addOption(new Option('--wake-gap <time>', 'time between two waves, 5s if not given').argParser(parseGap))
    .addOption(
      new Option(
        '--waves <sizes>',
        'canaries: 1,5,rest; each wave must be done, verified, before the next is woken',
      ).argParser(parseWaveSizes),
    )
    .addOption(
      new Option(
        '--stop-at-failures <count>',
        'failed hosts after which no further wave begins, 1 if not given',
      ).argParser(parseFailureLimit),
    )
    .option('--skip-refused', 'leave out the hosts that cannot take part instead of stopping')
    .option('--dry-run', 'show the plan and stop (exit code 11 when a host is refused)')
    .option('-y, --yes', 'do not ask')
    .option('--watch', 'follow the session to its end')
    .action((image: string, options: DeployOptions, self: Command) =>
      deploy(cli, invocationOf(cli, self), requestOf(image, options, pathOf(self)), options),
    );
  return withExample(command, 'fleetcast deploy win11-lab --group room-101 --start deadline=10m --watch');
}

async function deploy(cli: Cli, invocation: Invocation, request: DeployRequest, options: DeployOptions): Promise<void> {
  const readPlan = () => invocation.link.post('plan', apiPath`/plans/deploy`, request);
  if (options.dryRun) return showPlan(cli, invocation, await readPlan(), request.skipRefused);
  const isYes = options.yes === true;
  const { planId } = await acceptPlan(invocation, { isYes, skipRefused: request.skipRefused, readPlan });
  const session = await invocation.link.post('session', apiPath`/sessions/deploy`, { ...request, planId });
  if (options.watch) cli.exitCode = await watchSession(invocation, session.sessionId);
  else tellStarted(invocation, session);
}

function showPlan(cli: Cli, invocation: Invocation, plan: DeployPlan, skipRefused: boolean): void {
  show(invocation, plan, (value) => renderPlan(value, (text) => invocation.terminal.paint(text, 'bold')));
  if (!isAcceptable(plan, skipRefused)) cli.exitCode = exitCodes.conflict;
}

/** Throws PLAN_EMPTY, USAGE. */
export function requestOf(image: string, options: DeployOptions, command: string): DeployRequest {
  const hosts = options.hosts ?? [];
  const groups = options.group ?? [];
  if (hosts.length === 0 && groups.length === 0) throw knownError('PLAN_EMPTY');
  if (options.fec !== undefined && options.mode !== 'oneway') throw usageError('--fec needs --mode oneway', command);
  if (options.wakeGap !== undefined && options.wakeWave === undefined) {
    throw usageError('--wake-gap needs --wake-wave', command);
  }
  if (options.stopAtFailures !== undefined && options.waves === undefined) {
    throw usageError('--stop-at-failures needs --waves', command);
  }
  return {
    image,
    hosts,
    groups,
    ...(options.disk === undefined ? {} : { disk: options.disk }),
    start: options.start,
    mode: options.mode,
    ...(options.rate === undefined ? {} : { maxMbit: options.rate }),
    ...(options.fec === undefined ? {} : { fec: options.fec }),
    ...(options.weight === undefined ? {} : { weight: options.weight }),
    verify: options.verify,
    delta: options.delta,
    ...(options.grow === undefined ? {} : { grow: options.grow }),
    ...(options.finishers === undefined ? {} : { finishers: options.finishers }),
    ...(options.hostname === undefined ? {} : { hostname: options.hostname }),
    ...(options.keepNetbootFirst === true ? { keepNetbootFirst: true } : {}),
    ...(options.newIds === true ? { newIds: true as const } : {}),
    ...(options.luksSecret === undefined ? {} : { luksSecrets: options.luksSecret }),
    onDone: options.onDone,
    onFailure: options.onFailure,
    ...(options.wakeWave === undefined ? {} : { wakeWave: options.wakeWave }),
    ...(options.wakeGap === undefined ? {} : { wakeGapS: options.wakeGap }),
    ...(options.waves === undefined ? {} : { waves: options.waves }),
    ...(options.stopAtFailures === undefined ? {} : { stopAtFailures: options.stopAtFailures }),
    skipRefused: options.skipRefused === true,
  };
}

function parseFec(text: string): string {
  if (!new RegExp(FEC_PATTERN).test(text)) throw usageError(`--fec ${text} is not like ${DEFAULT_FEC}`, 'deploy');
  return text;
}

function parseWeight(text: string): number {
  const weight = /^\d{1,3}$/.test(text) ? Number(text) : 0;
  if (weight < 1 || weight > 100) throw usageError(`--weight ${text} is not a number from 1 to 100`, 'deploy');
  return weight;
}

function parseWave(text: string): number {
  const count = /^\d{1,5}$/.test(text) ? Number(text) : 0;
  if (count === 0) throw usageError(`--wake-wave ${text} is not a count of hosts`, 'deploy');
  return count;
}

function parseGap(text: string): number {
  const seconds = parseDuration(text);
  if (seconds === undefined || seconds > 3600) throw usageError(`--wake-gap ${text} is not a time like 5s`, 'deploy');
  return seconds;
}
