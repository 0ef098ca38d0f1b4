/**
 * A disk rule: conditions joined by commas, all of which the one disk must meet; with `each` among them it takes every disk that
 * does. Several rules joined by semicolons name several disks, one each, in their order.
 *
 * `serial=X` · `wwn=X` · `path=/dev/sda` · `transport=nvme` compare whole values, without case except in a path;
 * `model=X` is contained in the model; with `*` or `?` in X each of these compares the whole value with the pattern.
 * `size=256G` is within 10 % (a "256 GB" disk is never exactly that), `size>100G` and `size<2T` compare. Sizes are in bytes or with
 * K M G T, powers of 1000 as on the disk's label (KiB … TiB: of 1024). `order=2` is the second, by path, of the disks that qualify and
 * meet the rest.
 *
 * Whatever the rule says, removable, read-only and used disks never qualify. What lies outside of the machine or belongs to a
 * RAID qualifies only when the rule says so: a USB disk by its serial, wwn or `transport=usb`, a RAID member by its serial or wwn.
 */
import { type Disk, describeDisk } from './disk.ts';
import { knownError } from './errors.ts';

interface Condition {
  readonly key: 'serial' | 'wwn' | 'path' | 'transport' | 'model' | 'size' | 'order' | 'each';
  readonly sign: '=' | '>' | '<';
  readonly value: string;
  /** Bytes of a `size`, number of an `order` from 1; else 0. */
  readonly number: number;
}

export type DiskRule = readonly Condition[];

/** Share by which `size=` may differ. */
const SIZE_TOLERANCE = 0.1;
const UNITS: Readonly<Record<string, number>> = { '': 1, k: 1e3, m: 1e6, g: 1e9, t: 1e12 };

/** Parses one rule; the empty text is the rule that every disk meets. Throws DISK_RULE_INVALID. */
export function parseDiskRule(text: string): DiskRule {
  if (text.trim() === '') return [];
  if (text.includes(';')) throw knownError('DISK_RULE_INVALID', { rule: text });
  return text.split(',').map((part) => {
    if (part.trim() === 'each') return { key: 'each', sign: '=', value: '', number: 0 };
    const match = /^\s*(serial|wwn|path|transport|model|size|order)\s*([=<>])\s*(.+?)\s*$/.exec(part);
    if (match === null) throw knownError('DISK_RULE_INVALID', { rule: text });
    const [, key, sign, value] = match as unknown as [string, Condition['key'], Condition['sign'], string];
    const number = numberOf(key, value);
    if (number === undefined || (sign !== '=' && key !== 'size')) throw knownError('DISK_RULE_INVALID', { rule: text });
    return { key, sign, value, number };
  });
}

function numberOf(key: Condition['key'], value: string): number | undefined {
  if (key === 'size') return parseSize(value);
  if (key === 'order') return /^[1-9]\d?$/.test(value) ? Number(value) : undefined;
  return 0;
}

/** One disk and whether a rule takes it. */
export interface JudgedDisk {
  readonly disk: Disk;
  /** Absent: it qualifies and meets the rule. */
  readonly whyNot?: string;
}

/** Every disk of a host, in order of path, with why none of the rules takes it. Throws DISK_RULE_INVALID. */
export function judgeDisks(disks: readonly Disk[], rules: string | undefined): JudgedDisk[] {
  const judged = rulesOf(rules).map((rule) => judgeByOne(disks, rule));
  return judged
    .at(-1)!
    .map((last, i) => judged.map((one) => one[i]!).find(({ whyNot }) => whyNot === undefined) ?? last);
}

/** The rules of a list of them; mostly it is one. Throws DISK_RULE_INVALID when one of several is empty: every disk would meet it. */
export function rulesOf(rules: string | undefined): string[] {
  const list = (rules ?? '').split(';').map((rule) => rule.trim());
  if (list.length > 1 && list.includes('')) throw knownError('DISK_RULE_INVALID', { rule: rules! });
  return list;
}

function judgeByOne(disks: readonly Disk[], rule: string | undefined): JudgedDisk[] {
  const conditions = parseDiskRule(rule ?? '');
  const orders = conditions.filter(({ key }) => key === 'order');
  let place = 0;
  return [...disks].sort(byPath).map((disk) => {
    const whyNot = whyUnfit(disk, conditions) ?? conditions.filter((one) => !meets(disk, one)).map(sayNot)[0];
    if (whyNot !== undefined) return { disk, whyNot };
    place++;
    const missed = orders.find(({ number }) => number !== place);
    return missed === undefined ? { disk } : { disk, whyNot: `number ${place}, not ${missed.number}` };
  });
}

/**
 * The disks that are meant: one; with `each` all that qualify and meet the rule, by path; of several rules one each, in their order.
 * Throws as chooseDisk, and DISK_CHOSEN_TWICE.
 */
export function chooseDisks(disks: readonly Disk[], rule: string | undefined, host: string): Disk[] {
  const rules = rulesOf(rule);
  if (rules.length > 1) {
    const chosen = rules.map((one) => chooseDisk(disks, one, host));
    const twice = chosen.find((disk, i) => chosen.indexOf(disk) !== i);
    if (twice === undefined) return chosen;
    throw knownError('DISK_CHOSEN_TWICE', { host, rule: rule!, disk: `${twice.path} ${describeDisk(twice)}` });
  }
  if (!parseDiskRule(rule ?? '').some(({ key }) => key === 'each')) return [chooseDisk(disks, rule, host)];
  const judged = judgeDisks(disks, rule);
  const fitting = judged.filter(({ whyNot }) => whyNot === undefined);
  if (fitting.length === 0) throw knownError('DISK_NONE', { host, rule: rule!, disks: listDisks(judged) });
  return fitting.map(({ disk }) => disk);
}

/** The one disk that qualifies and meets the rule. Throws DISK_RULE_INVALID, DISK_NONE or DISK_AMBIGUOUS, the last two with the disks there are. */
export function chooseDisk(disks: readonly Disk[], rule: string | undefined, host: string): Disk {
  const judged = judgeByOne(disks, rule);
  const fitting = judged.filter(({ whyNot }) => whyNot === undefined);
  const shownRule = rule === undefined || rule.trim() === '' ? '(none given)' : rule;
  if (fitting.length === 0) throw knownError('DISK_NONE', { host, rule: shownRule, disks: listDisks(judged) });
  if (fitting.length > 1) throw knownError('DISK_AMBIGUOUS', { host, rule: shownRule, disks: listDisks(fitting) });
  return fitting[0]!.disk;
}

/** Every disk with its path and, where there is one, the reason why it is not taken. */
export function listDisks(disks: readonly JudgedDisk[]): string {
  return disks.map(describeJudged).join('; ') || 'none';
}

/** `/dev/sda Samsung 980 S64 (256.1 GB): removable`. */
export function describeJudged({ disk, whyNot }: JudgedDisk): string {
  return `${disk.path} ${describeDisk(disk)}${whyNot === undefined ? '' : `: ${whyNot}`}`;
}

const collator = new Intl.Collator('en', { numeric: true });

function byPath(a: Disk, b: Disk): number {
  return collator.compare(a.path, b.path);
}

/** Why a disk never qualifies, or not unless the rule says so. */
function whyUnfit(disk: Disk, rule: DiskRule): string | undefined {
  if (disk.removable) return 'removable';
  if (disk.readOnly) return 'read-only';
  if (disk.inUse) return disk.usedBy === undefined ? 'in use' : `in use (${disk.usedBy})`;
  const isNamed = rule.some(({ key, value }) => (key === 'serial' || key === 'wwn') && !isPattern(value));
  if (isNamed) return undefined;
  if (disk.raidMember !== undefined) return `part of a RAID (${disk.raidMember}); only its serial chooses it`;
  const isOutside = disk.transport.toLowerCase() === 'usb';
  const isUsbAsked = rule.some(({ key, value }) => key === 'transport' && value.toLowerCase() === 'usb');
  return isOutside && !isUsbAsked ? 'on USB; only its serial or transport=usb chooses it' : undefined;
}

function meets(disk: Disk, { key, sign, value, number }: Condition): boolean {
  switch (key) {
    case 'order': // Among those that meet the rest: judgeDisks counts.
    case 'each':
      return true;
    case 'size':
      if (sign === '>') return disk.sizeBytes > number;
      if (sign === '<') return disk.sizeBytes < number;
      return Math.abs(disk.sizeBytes - number) <= number * SIZE_TOLERANCE;
    case 'path':
      return isPattern(value) ? matches(disk.path, value, '') : disk.path === value;
    case 'model':
      if (!isPattern(value)) return disk.model.toLowerCase().includes(value.toLowerCase());
      return matches(disk.model, value, 'i');
    default:
      if (isPattern(value)) return matches(disk[key] ?? '', value, 'i');
      return (disk[key] ?? '').toLowerCase() === value.toLowerCase();
  }
}

function sayNot({ key, sign, value }: Condition): string {
  return `not ${key}${sign}${value}`;
}

function isPattern(value: string): boolean {
  return /[*?]/.test(value);
}

/** The whole text fits a pattern in which `*` stands for anything and `?` for one character. */
function matches(text: string, pattern: string, flags: string): boolean {
  const source = pattern
    .replace(/[.+^${}()|[\]\\]/g, '\\$&')
    .replaceAll('*', '.*')
    .replaceAll('?', '.');
  return new RegExp(`^${source}$`, flags).test(text);
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
