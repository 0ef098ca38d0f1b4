/** The plan of a deployment, as the admin sees it before a byte is written. */
import type { DeployPlan, PlanHost } from '#protocol/admin/plan-api.ts';
import { renderDelta } from './delta-view.ts';
import { formatDuration } from './duration.ts';
import { describeFit } from './fit-view.ts';
import { withSubject } from './receipt.ts';
import { countOf, formatBytes } from './size.ts';
import { renderTable } from './table.ts';
import { printable } from './terminal.ts';

/** Most hosts that are named in one line. */
const MOST_NAMES = 8;

/** The hosts whose disk will be overwritten. */
export function takingPart(plan: { readonly hosts: readonly PlanHost[] }): PlanHost[] {
  return plan.hosts.filter((host) => host.refused === undefined);
}

function refusedOf(plan: { readonly hosts: readonly PlanHost[] }): PlanHost[] {
  return plan.hosts.filter((host) => host.refused !== undefined);
}

/** How many disks will be overwritten: several of a host with the rule `each`. */
export function disksTaken(plan: { readonly hosts: readonly PlanHost[] }): number {
  return takingPart(plan).reduce((sum, host) => sum + 1 + (host.twins?.length ?? 0), 0);
}

/** Table per host, refusals with what helps, totals, expected time and what it assumes. */
export function renderPlan(plan: DeployPlan, paintHead?: (text: string) => string): string {
  const going = takingPart(plan);
  const blocks = [
    `Plan: ${plan.image}@${plan.version} (${sizesOf(plan)}, ${formatBytes(plan.usedBytes)} used) to ${countOf(plan.hosts.length, 'host')}`,
  ];
  if (going.length > 0) {
    const head = ['HOST', 'NOW', 'DISK', 'SERIAL', 'SIZE', 'FIT', 'WILL BE LOST'];
    blocks.push(renderTable(head, going.flatMap(rowsOf), { right: [4], ...(paintHead ? { paintHead } : {}) }));
  }
  for (const block of [otherDisksBlock(going), refusalBlock(plan), renderDelta(going)]) {
    if (block !== undefined) blocks.push(block);
  }
  const warnings = (plan.warnings ?? []).map((warning) => `Warning: ${plan.image}: ${printable(warning)}`);
  if (warnings.length > 0) blocks.push(warnings.join('\n'));
  blocks.push(going.length === 0 ? 'Nothing would be sent or overwritten.' : totalsOf(plan, going));
  return blocks.join('\n\n');
}

/** `disk of 256.1 GB`, `disks of 256.1 GB and 1.0 TB`. */
function sizesOf({ diskBytes, moreDiskBytes = [] }: DeployPlan): string {
  const sizes = [diskBytes, ...moreDiskBytes].map(formatBytes);
  if (sizes.length === 1) return `disk of ${sizes[0]}`;
  return `disks of ${sizes.slice(0, -1).join(', ')} and ${sizes.at(-1)}`;
}

/** A row a disk; the host is named in its first. */
function rowsOf(host: PlanHost): string[][] {
  const twins = (host.twins ?? []).map((twin) => ['', '', ...diskCells(twin, twin.source)]);
  const source = host.twins?.some((twin) => twin.source !== undefined) ? 0 : undefined;
  return [[host.host, host.presence, ...diskCells(host, source)], ...twins];
}

type PlannedDisk = Pick<PlanHost, 'disk' | 'diskPath' | 'fit' | 'fitted' | 'lost'>;

/** `source`: which disk of an image of several it takes, counted from 0. */
function diskCells(planned: PlannedDisk, source: number | undefined): string[] {
  const { disk, diskPath, lost } = planned;
  return [
    [disk?.model, diskPath].filter(Boolean).join(' '),
    disk?.serial ?? '',
    disk ? formatBytes(disk.sizeBytes) : '',
    source === undefined ? fitOf(planned) : `disk ${source + 1}: ${fitOf(planned)}`,
    lost || 'nothing known',
  ];
}

function fitOf({ fit, fitted }: PlannedDisk): string {
  return fitted === undefined ? (fit ?? '') : describeFit(fitted) || 'fitted';
}

/** The disks that were not chosen, and why; undefined: there are none. */
export function otherDisksBlock(going: readonly PlanHost[]): string | undefined {
  const others = going.filter((host) => host.otherDisks !== undefined);
  return others.length === 0 ? undefined : ['Other disks, left alone:', ...others.flatMap(otherLines)].join('\n');
}

/** Who is refused and what helps; undefined: nobody is. */
export function refusalBlock(plan: { readonly hosts: readonly PlanHost[] }): string | undefined {
  const refused = refusedOf(plan);
  const unfit = plan.hosts.filter((host) => host.unfitDisks !== undefined);
  const blocks = [
    ...(refused.length === 0 ? [] : [`Refused, ${countOf(refused.length, 'host')}:`, ...refused.flatMap(refusalLines)]),
    ...(unfit.length === 0 ? [] : ['Refused disks of hosts that take part:', ...unfit.flatMap(unfitLines)]),
  ];
  return blocks.length === 0 ? undefined : blocks.join('\n');
}

function otherLines({ host, rule, otherDisks = [] }: PlanHost): string[] {
  const chosenBy = rule === undefined ? 'no rule is set' : `${rule.rule}, set by ${rule.from}`;
  return [`  ${printable(host)} (${printable(chosenBy)})`, ...otherDisks.map((disk) => `    ${printable(disk)}`)];
}

function refusalLines(host: PlanHost): string[] {
  const { message = '', next = '' } = host.refused ?? {};
  const disk = host.disk ? ` (${host.disk.model} ${host.disk.serial}, ${formatBytes(host.disk.sizeBytes)})` : '';
  return [`  ${printable(withSubject(host.host, message))}${disk}`, `    Next: ${printable(next)}`];
}

function unfitLines({ host, unfitDisks = [] }: PlanHost): string[] {
  return unfitDisks.flatMap(({ refused: { message, next } }) => [
    `  ${printable(withSubject(host, message))}`,
    `    Next: ${printable(next)}`,
  ]);
}

function totalsOf(plan: DeployPlan, going: readonly PlanHost[]): string {
  const away = going.filter((host) => host.presence === 'away').length;
  const all = going.flatMap((host): PlannedDisk[] => [host, ...(host.twins ?? [])]);
  const disks = all.reduce((sum, { disk }) => sum + (disk?.sizeBytes ?? 0), 0);
  const waking = away > 0 ? `; ${countOf(away, 'host')} will be woken` : '';
  const larger = all.some(({ fit }) => fit === 'larger');
  return [
    ...wavesOf(going),
    ...secretsOf(going),
    ...finishersOf(going),
    ...asideOf(going),
    `Overwrites ${countOf(all.length, 'disk')}, ${formatBytes(disks)} in all${waking}.`,
    `Sends ${formatBytes(plan.storedBytes)} in one pass. Expected time ${formatDuration(plan.expectedSeconds)}: ${plan.expectedBecause}.`,
    ...(larger ? ['On a disk that is larger, the room at the end stays free (--grow last uses it).'] : []),
  ].join('\n');
}

/** One line for all hosts that the cast begins without. */
function asideOf(going: readonly PlanHost[]): string[] {
  const aside = going.filter((host) => host.setAside !== undefined);
  const [first] = aside;
  if (first?.setAside === undefined) return [];
  const names = aside.map(({ host, setAside }) => `${printable(host)} (link of ${setAside!.linkMbit} Mbit/s)`);
  const { withSeconds, withoutSeconds } = first.setAside;
  const gain = `have all in ${formatDuration(withoutSeconds)} instead of ${formatDuration(withSeconds)}`;
  return [`Set aside, served after the others, who so ${gain}: ${names.join(', ')}.`];
}

/** One line for all hosts whose containers open with the same secrets. */
function secretsOf(going: readonly PlanHost[]): string[] {
  const said = ({ luksSecrets }: PlanHost) =>
    luksSecrets === undefined ? '' : `${luksSecrets.names.join(', ')} (${luksSecrets.from})`;
  const groups = [...Map.groupBy(going, said)].filter(([names]) => names !== '');
  return groups.map(([names, hosts]) => {
    const where = hosts.length === going.length ? '' : ` on ${hosts.map(({ host }) => host).join(', ')}`;
    return `LUKS containers open${printable(where)} with: ${printable(names)}.`;
  });
}

/** One line for all hosts with the same finishers. */
function finishersOf(going: readonly PlanHost[]): string[] {
  const chosen = Map.groupBy(going, ({ finishers = [] }) => finishers.map(({ name }) => name).join(', '));
  if (chosen.size === 1 && chosen.has('')) return [];
  return [...chosen].map(([names, hosts]) => {
    const who =
      chosen.size === 1 ? 'Then runs on each' : `Then runs on ${hosts.map(({ host }) => printable(host)).join(', ')}`;
    return `${who}: ${names || 'nothing'}.`;
  });
}

/** One line a wave: who goes first is what the admin wants to see. */
function wavesOf(going: readonly PlanHost[]): string[] {
  const waves = Map.groupBy(
    going.filter((host) => host.wave !== undefined),
    (host) => host.wave!,
  );
  return [...waves].map(([wave, hosts]) => {
    const names = hosts.slice(0, MOST_NAMES).map((host) => printable(host.host));
    const more = hosts.length > names.length ? ' …' : '';
    const when = wave === 1 ? 'at once' : `when wave ${wave - 1} is done and verified`;
    return `Wave ${wave}, ${when}: ${countOf(hosts.length, 'host')} (${names.join(', ')}${more}).`;
  });
}
