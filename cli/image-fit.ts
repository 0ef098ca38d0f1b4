/** `fleetcast image fit`: an image for smaller disks, made on the server. */
import { Command, Option } from 'commander';
import type { FitImageRequest, FitLine } from '#protocol/admin/image-api.ts';
import { parseSize } from '#protocol/disk-rule.ts';
import { KnownError, knownError } from '#protocol/errors.ts';
import { apiPath } from './daemon-link.ts';
import { describeShrunk } from './fit-view.ts';
import { type Cli, type Invocation, invocationOf, show, withExample } from './invocation.ts';
import { progressBar } from './progress-bar.ts';
import { formatBytes, percentOf } from './size.ts';
import { usageError } from './usage-error.ts';

interface FitOptions {
  to: Pick<FitImageRequest, 'toBytes' | 'disks'>;
  as?: string;
  dryRun?: boolean;
}

export function fitCommand(cli: Cli): Command {
  const command = new Command('fit')
    .description(
      'Make an image of an image, for disks that are smaller: filesystems are made smaller on a copy, the image itself is only read. Needs room for the copy in the store, and a daemon that runs as root',
    )
    .argument('<image>', 'NAME (its newest version) or NAME@VERSION')
    .addOption(
      new Option(
        '--to <size>',
        'size of the smallest disk that it is for: 100G, 60022480896; of an image of several disks those that are to fit, in its order: 2=100G or 1=60G,2=100G',
      )
        .argParser(parseTo)
        .makeOptionMandatory(),
    )
    .option(
      '--as <name>',
      'name of the image that is made, NAME-100G if not given; the same again makes its next version',
    )
    .option('--dry-run', 'show what would become smaller, and change nothing')
    .action(async (ref: string, options: FitOptions, self: Command) => {
      const invocation = invocationOf(cli, self);
      const line = await followFit(invocation, ref, options);
      const { done, planned } = line;
      show(invocation, done ?? planned, () => (done === undefined ? describePlan(line) : describe(done)));
    });
  return withExample(command, 'fleetcast image fit win11-lab --to 100G');
}

/** Shows progress on a terminal; a stream that stops early is an error of the daemon. */
async function followFit(
  { terminal, link, isJson }: Invocation,
  ref: string,
  { to, as: name, dryRun }: FitOptions,
): Promise<FitLine> {
  const isShown = terminal.isErrorTerminal && !isJson;
  const body = { ...to, ...(name === undefined ? {} : { name }), ...(dryRun === true ? { dryRun } : {}) };
  for await (const line of link.postForLines('fitLine', apiPath`/images/${ref}/fit`, body)) {
    if (isShown) terminal.error(`\r\x1b[K${line.done || line.planned || line.error ? '' : progressOf(line)}`);
    if (line.error !== undefined) throw new KnownError(line.error);
    if (line.done !== undefined || line.planned !== undefined) return line;
  }
  if (isShown) terminal.error('\r\x1b[K');
  throw knownError('DAEMON_UNREACHABLE', { socket: link.socketPath, reason: 'it ended in the middle of the fitting' });
}

function progressOf({ phase, disk, partition, volume, doneBytes, totalBytes }: FitLine): string {
  const inner = volume === undefined ? '' : ` (${volume})`;
  const outer = disk === undefined ? '' : ` of disk ${disk + 1}`;
  const where = partition === undefined ? '' : `partition ${partition}${outer}${inner}: `;
  if (phase !== 'restore') return `${where}making it smaller and storing what is new …`;
  const percent = percentOf(doneBytes, totalBytes) ?? 100;
  return `${where}${progressBar(percent, 24)} ${percent} %  copied out of the store`;
}

function describePlan({ planned, totalBytes }: FitLine): string {
  const { image = '', changes = [] } = planned ?? {};
  const copied = totalBytes === 0 ? 'Nothing has' : `${formatBytes(totalBytes)} have`;
  return `Would make ${image}: ${describeShrunk(changes)}. ${copied} to be copied out of the store.\nNothing was changed. Make it: the same without --dry-run`;
}

function describe({ image, version, isNew, addedBytes, changes }: NonNullable<FitLine['done']>): string {
  const made = isNew ? `Made ${image}@${version}` : `${image}@${version} is just that already`;
  return `${made}: ${describeShrunk(changes)}. ${formatBytes(addedBytes)} are new in the store.\nDeploy it: fleetcast deploy ${image} …`;
}

/** `100G`, or disks counted from 1: `1=60G,2=100G`. */
function parseTo(text: string): FitOptions['to'] {
  if (!text.includes('=')) return { toBytes: parseBytes(text, text) };
  const disks = text.split(',').map((part) => {
    const [, number = '', size = ''] = /^\s*(\d{1,2})\s*=(.*)$/.exec(part) ?? [];
    if (Number(number) < 1) throw usageError(`--to ${text} is not a list like 1=60G,2=100G`, 'image fit');
    return { disk: Number(number) - 1, toBytes: parseBytes(size.trim(), text) };
  });
  if (new Set(disks.map(({ disk }) => disk)).size < disks.length) {
    throw usageError(`--to ${text} names a disk twice`, 'image fit');
  }
  return { disks };
}

function parseBytes(size: string, text: string): number {
  const bytes = Math.floor(parseSize(size) ?? 0);
  if (bytes < 1) throw usageError(`--to ${text} is not a size like 100G or 60022480896`, 'image fit');
  return bytes;
}
