/**
 * A disk rule: conditions joined by commas, all of which the one disk must meet.
 *
 * `serial=X` · `wwn=X` · `path=/dev/sda` · `transport=nvme` compare whole values, without case except in a path;
 * `model=X` is contained in the model; `size=256G` is within 10 % (a "256 GB" disk is never exactly that),
 * `size>100G` and `size<2T` compare. Sizes are in bytes or with K M G T, powers of 1000 as on the disk's label (KiB … TiB: of 1024).
 */
import { type Disk, describeDisk } from './disk.ts';
import { knownError } from './errors.ts';

interface Condition {
  readonly key: 'serial' | 'wwn' | 'path' | 'transport' | 'model' | 'size';
  readonly sign: '=' | '>' | '<';
  readonly value: string;
  /** `size` only, in bytes. */
  readonly bytes: number;
}

export type DiskRule = readonly Condition[];

/** Share by which `size=` may differ. */
const SIZE_TOLERANCE = 0.1;
const UNITS: Readonly<Record<string, number>> = { '': 1, k: 1e3, m: 1e6, g: 1e9, t: 1e12 };

/** Parses a rule; the empty text is the rule that every disk meets. Throws DISK_RULE_INVALID. */
export function parseDiskRule(text: string): DiskRule {
  if (text.trim() === '') return [];
  return text.split(',').map((part) => {
    const match = /^\s*(serial|wwn|path|transport|model|size)\s*([=<>])\s*(.+?)\s*$/.exec(part);
    if (match === null) throw knownError('DISK_RULE_INVALID', { rule: text });
    const [, key, sign, value] = match as unknown as [string, Condition['key'], Condition['sign'], string];
    const bytes = key === 'size' ? parseSize(value) : 0;
    if (bytes === undefined || (sign !== '=' && key !== 'size')) throw knownError('DISK_RULE_INVALID', { rule: text });
    return { key, sign, value, bytes };
  });
}

/**
 * The one disk that qualifies and meets the rule. Removable, read-only and used disks never qualify, whatever the rule says.
 * Throws DISK_RULE_INVALID, DISK_NONE or DISK_AMBIGUOUS, the last two with the disks there are.
 */
export function chooseDisk(disks: readonly Disk[], rule: string | undefined, host: string): Disk {
  const conditions = parseDiskRule(rule ?? '');
  const fitting = disks.filter((disk) => whyUnfit(disk) === undefined && conditions.every((one) => meets(disk, one)));
  const shownRule = rule === undefined || rule.trim() === '' ? '(none given)' : rule;
  if (fitting.length === 0) throw knownError('DISK_NONE', { host, rule: shownRule, disks: listDisks(disks) });
  if (fitting.length > 1) throw knownError('DISK_AMBIGUOUS', { host, rule: shownRule, disks: listDisks(fitting) });
  return fitting[0]!;
}

/** Every disk with its path and, where there is one, the reason why it never qualifies. */
export function listDisks(disks: readonly Disk[]): string {
  if (disks.length === 0) return 'none';
  return disks
    .map((disk) => {
      const reason = whyUnfit(disk);
      return `${disk.path} ${describeDisk(disk)}${reason === undefined ? '' : `, ${reason}`}`;
    })
    .join('; ');
}

function whyUnfit(disk: Disk): string | undefined {
  if (disk.removable) return 'removable';
  if (disk.readOnly) return 'read-only';
  return disk.inUse ? 'in use' : undefined;
}

function meets(disk: Disk, { key, sign, value, bytes }: Condition): boolean {
  switch (key) {
    case 'size':
      if (sign === '>') return disk.sizeBytes > bytes;
      if (sign === '<') return disk.sizeBytes < bytes;
      return Math.abs(disk.sizeBytes - bytes) <= bytes * SIZE_TOLERANCE;
    case 'model':
      return disk.model.toLowerCase().includes(value.toLowerCase());
    case 'path':
      return disk.path === value;
    default:
      return (disk[key] ?? '').toLowerCase() === value.toLowerCase();
  }
}

/** Bytes of `256G`, `1.5TB`, `500MiB` or a plain number of bytes; undefined when it is not a size. */
export function parseSize(text: string): number | undefined {
  const match = /^(\d+(?:\.\d+)?)\s*([kmgt]?)(i?)b?$/i.exec(text);
  if (match === null) return undefined;
  const [, number, unit, binary] = match as unknown as [string, string, string, string];
  if (unit === '' && binary !== '') return undefined;
  const factor = UNITS[unit.toLowerCase()]!;
  return Number(number) * (binary === '' ? factor : 1024 ** (Math.log10(factor) / 3));
}
