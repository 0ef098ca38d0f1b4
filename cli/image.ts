/** `fleetcast image …`: what was captured. */
import { Command } from 'commander';
import type { ImageView, PruneAnswer, VerifyLine, VersionView } from '#protocol/admin/image-api.ts';
import { knownError } from '#protocol/errors.ts';
import type { Layout } from '#protocol/layout.ts';
import { describeChosen, setImageCommand } from './choice.ts';
import { confirm, requireAnswerer } from './confirm.ts';
import { apiPath } from './daemon-link.ts';
import { formatTime } from './duration.ts';
import { fitCommand } from './image-fit.ts';
import { type Cli, type Invocation, invocationOf, listing, show, withExample } from './invocation.ts';
import { progressBar } from './progress-bar.ts';
import { countOf, formatBytes, formatCount, percentOf } from './size.ts';
import { renderFacts, renderTable } from './table.ts';
import { printable } from './terminal.ts';

export function imageCommand(cli: Cli): Command {
  return new Command('image')
    .description('Images: what was captured, in versions')
    .addCommand(listCommand(cli))
    .addCommand(showCommand(cli))
    .addCommand(setImageCommand(cli))
    .addCommand(renameCommand(cli))
    .addCommand(removeCommand(cli))
    .addCommand(verifyCommand(cli))
    .addCommand(fitCommand(cli))
    .addCommand(pruneCommand(cli));
}

function listCommand(cli: Cli): Command {
  const command = new Command('list').description('List all images').action(async (_options: object, self: Command) => {
    const invocation = invocationOf(cli, self);
    const images = await invocation.link.get('images', apiPath`/images`);
    const head = ['IMAGE', 'NEWEST', 'VERSIONS', 'CAPTURED', 'FROM', 'DISK', 'USED', 'STORED'];
    const whenEmpty = 'There is no image. Capture one: fleetcast capture HOST --as NAME';
    show(invocation, images, () => listing(invocation, head, images.map(imageRow), whenEmpty, [2, 5, 6, 7]));
  });
  return withExample(command, 'fleetcast image list');
}

function showCommand(cli: Cli): Command {
  const command = new Command('show')
    .description('Show an image: versions, partitions, volumes')
    .argument('<image>', 'NAME or NAME@VERSION')
    .action(async (ref: string, _options: object, self: Command) => {
      const invocation = invocationOf(cli, self);
      const image = await invocation.link.get('image', apiPath`/images/${ref}`);
      show(invocation, image, (value) => describeImage(invocation, value));
    });
  return withExample(command, 'fleetcast image show win11-lab');
}

function renameCommand(cli: Cli): Command {
  const command = new Command('rename')
    .description('Give an image another name')
    .argument('<image>', 'present name')
    .argument('<new>', 'new name')
    .action(async (ref: string, name: string, _options: object, self: Command) => {
      const invocation = invocationOf(cli, self);
      const image = await invocation.link.post('image', apiPath`/images/${ref}/rename`, { name });
      show(invocation, image, (value) => `Image ${ref} is now ${value.name}.`);
    });
  return withExample(command, 'fleetcast image rename win11-lab win11-2026');
}

function removeCommand(cli: Cli): Command {
  const command = new Command('remove')
    .description('Remove an image or one version; its space comes back with image prune')
    .argument('<image>', 'NAME with all its versions, or NAME@VERSION')
    .option('-y, --yes', 'do not ask')
    .action(async (ref: string, options: { yes?: boolean }, self: Command) => {
      const invocation = invocationOf(cli, self);
      const { terminal, isJson, command, link } = invocation;
      const isYes = options.yes === true;
      requireAnswerer({ terminal, isYes, isJson, what: 'Removing an image', command });
      if (!isYes) {
        const image = await link.get('image', apiPath`/images/${ref}`);
        const what = ref.includes('@') ? ref : `${ref} with ${countOf(image.versions.length, 'version')}`;
        await confirm(terminal, `Remove ${what}?`, 'Nothing was removed.');
      }
      await link.delete(apiPath`/images/${ref}`);
      show(invocation, { removed: [ref] }, () => `Image ${ref} removed. Free its space: fleetcast image prune`);
    });
  return withExample(command, 'fleetcast image remove win11-lab@2');
}

function verifyCommand(cli: Cli): Command {
  const command = new Command('verify')
    .description('Read every chunk of an image, or of the whole store, and check its hash')
    .argument('[image]', 'NAME or NAME@VERSION; without it, the whole store')
    .action(async (ref: string | undefined, _options: object, self: Command) => {
      const invocation = invocationOf(cli, self);
      const path = ref === undefined ? apiPath`/store/verify` : apiPath`/images/${ref}/verify`;
      const last = await followVerify(invocation, path);
      if (last.badCount === 0) {
        show(invocation, last, describeVerified);
        return;
      }
      if (invocation.isJson) invocation.terminal.outJson(last);
      else for (const line of last.bad) invocation.terminal.outLine(line);
      throw knownError('IMAGE_DAMAGED', { image: ref ?? '(whole store)', count: last.badCount });
    });
  return withExample(command, 'fleetcast image verify win11-lab');
}

function pruneCommand(cli: Cli): Command {
  const command = new Command('prune')
    .description('Free the space of chunks that no version needs')
    .option('--dry-run', 'only say what would be freed')
    .action(async (options: { dryRun?: boolean }, self: Command) => {
      const invocation = invocationOf(cli, self);
      // Packs that are half needed are written again, which takes as long as it takes.
      const body = { dryRun: options.dryRun === true };
      const answer = await invocation.link.post('prune', apiPath`/store/prune`, body, { limitMs: 0 });
      show(invocation, answer, describePrune);
    });
  return withExample(command, 'fleetcast image prune --dry-run');
}

/** Shows progress on a terminal and returns the last line; a stream that stops early is an error of the daemon. */
async function followVerify(invocation: Invocation, path: string): Promise<VerifyLine> {
  const { terminal, link } = invocation;
  const isShown = terminal.isErrorTerminal && !invocation.isJson;
  let last: VerifyLine | undefined;
  for await (const line of link.postForLines('verifyLine', path)) {
    last = line;
    if (!isShown) continue;
    const percent = percentOf(line.checkedChunks, line.totalChunks) ?? 100;
    const bad = line.badCount > 0 ? `  ${formatCount(line.badCount)} damaged` : '';
    terminal.error(`\r${progressBar(percent, 24)} ${percent} %  ${formatBytes(line.checkedBytes)} read${bad}\x1b[K`);
  }
  if (isShown) terminal.error('\r\x1b[K');
  if (last?.done) return last;
  throw knownError('DAEMON_UNREACHABLE', { socket: link.socketPath, reason: 'it ended in the middle of the check' });
}

function describeVerified(line: VerifyLine): string {
  return `${countOf(line.checkedChunks, 'chunk')} (${formatBytes(line.checkedBytes)}) read and checked: all are good.`;
}

function describePrune(answer: PruneAnswer): string {
  const what = `${countOf(answer.removedChunks, 'chunk')} in ${countOf(answer.removedPacks, 'pack')}`;
  const again = answer.rewrittenPacks > 0 ? ` (${countOf(answer.rewrittenPacks, 'pack')} written again)` : '';
  if (answer.dryRun) return `Would remove ${what} and free ${formatBytes(answer.freedBytes)}${again}.`;
  return `Removed ${what}, freed ${formatBytes(answer.freedBytes)}${again}.`;
}

function imageRow(image: ImageView): string[] {
  const newest = image.versions[0];
  if (!newest) return [image.name];
  return [
    image.name,
    `@${newest.version}`,
    String(image.versions.length),
    formatTime(newest.createdAtMs),
    fromOf(newest),
    formatBytes(newest.diskBytes),
    formatBytes(newest.usedBytes),
    formatBytes(newest.storedBytes),
  ];
}

function fromOf({ fittedFrom, sourceHost }: VersionView): string {
  return fittedFrom === undefined ? sourceHost : `fitted from ${fittedFrom}`;
}

function describeLayout({ diskBytes, label, sectorBytes }: Layout): string {
  return `${formatBytes(diskBytes)}, ${label}, sectors of ${sectorBytes} bytes`;
}

function partitionTable({ partitions, sectorBytes }: Layout, paintHead: (text: string) => string): string {
  const rows = partitions.map((partition) => [
    String(partition.number),
    formatBytes(partition.startSector * sectorBytes),
    formatBytes(partition.sectors * sectorBytes),
    partition.type,
    partition.name ?? '',
    partition.bootable ? 'bootable' : (partition.attrs ?? ''),
  ]);
  return renderTable(['PARTITION', 'START', 'SIZE', 'TYPE', 'NAME', 'FLAGS'], rows, { paintHead, right: [1, 2] });
}

function describeImage(invocation: Invocation, image: ImageView): string {
  const paintHead = (text: string) => invocation.terminal.paint(text, 'bold');
  const { layout, moreDisks, volumes } = image;
  const shown = image.versions[0];
  const blocks = [
    renderFacts([
      ['Image', image.name],
      ['Disk', layout && describeLayout(layout)],
      ['More disks', moreDisks?.map(describeLayout).join('\n')],
      ...describeChosen(image),
      ['Warnings', shown?.warnings.join('\n')],
    ]),
    renderTable(
      ['VERSION', 'CAPTURED', 'FROM', 'USED', 'CHUNKS', 'STORED', 'ADDED', 'MANIFEST'],
      image.versions.map(versionRow),
      { paintHead, right: [3, 4, 5, 6] },
    ),
  ];
  for (const one of layout === undefined ? [] : [layout, ...(moreDisks ?? [])]) {
    if (one.partitions.length > 0) blocks.push(partitionTable(one, paintHead));
  }
  if (volumes && volumes.length > 0) blocks.push(volumeTable(volumes, paintHead));
  return blocks.join('\n\n');
}

function versionRow(version: VersionView): string[] {
  return [
    `@${version.version}`,
    formatTime(version.createdAtMs),
    fromOf(version),
    formatBytes(version.usedBytes),
    formatCount(version.chunks),
    formatBytes(version.storedBytes),
    formatBytes(version.addedBytes),
    version.manifestId.slice(0, 16),
  ];
}

/** `partition 3`, of which disk, and which part of a container it is. */
function nameOf({ kind, disk, partition, within }: NonNullable<ImageView['volumes']>[number]): string {
  const place = partition === undefined ? kind : `${kind} ${partition}`;
  const outer = disk === undefined ? place : `${place} of disk ${disk + 1}`;
  return within === undefined ? outer : `${outer} (${within.kind} ${printable(within.name)})`;
}

function volumeTable(volumes: NonNullable<ImageView['volumes']>, paintHead: (text: string) => string): string {
  const rows = volumes.map((volume) => [
    nameOf(volume),
    volume.filesystem ?? '',
    volume.map,
    formatBytes(volume.sizeBytes),
    formatBytes(volume.usedBytes),
    formatCount(volume.chunks),
  ]);
  return renderTable(['VOLUME', 'CONTENT', 'MAP', 'SIZE', 'USED', 'CHUNKS'], rows, { paintHead, right: [3, 4, 5] });
}
