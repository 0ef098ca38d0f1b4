/** What became of the containers of disks that were laid, for people. Pure. */
import type { Activation, CheckedVolume } from '#protocol/activation.ts';
import { printable } from './terminal.ts';

interface Laid {
  readonly host: string;
  readonly containers?: readonly Activation[];
}

/** A line a container, for all hosts on which the same became of it; undefined: no disk has any. */
export function renderContainers(hosts: readonly Laid[]): string | undefined {
  const lines = new Map<string, string[]>();
  for (const { host, containers = [] } of hosts) {
    for (const container of containers) {
      const text = printable(describeActivation(container));
      lines.set(text, [...(lines.get(text) ?? []), printable(host)]);
    }
  }
  if (lines.size === 0) return undefined;
  return [...lines].map(([text, names]) => `${names.join(', ')}: ${text}`).join('\n');
}

/** `LVM vg0 activated and checked: vg0/root (ext4), vg0/home (xfs)`. */
function describeActivation(container: Activation): string {
  const { whyNot, volumes } = container;
  const name = nameOf(container);
  if (whyNot !== undefined) return `${name} NOT activated: ${whyNot}`;
  const clean = volumes.filter(({ check }) => check === 'clean').map(nameOfVolume);
  const others = volumes.filter(({ check }) => check !== 'clean');
  const done = clean.length === 0 ? 'activated' : `activated and checked: ${clean.join(', ')}`;
  return [`${name} ${done}`, ...others.map((one) => `NOT checked: ${nameOfVolume(one)}: ${one.why}`)].join('; ');
}

function nameOf({ kind, name, partition }: Activation): string {
  const words = { lvm: 'LVM', md: 'mirror', luks: 'LUKS' }[kind];
  if (name !== undefined) return `${words} ${name}`;
  return partition === undefined ? words : `${words} in partition ${partition}`;
}

function nameOfVolume({ name, filesystem }: CheckedVolume): string {
  return name === undefined ? filesystem : `${name} (${filesystem})`;
}
