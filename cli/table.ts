/** Columns of text without lines around them, as admins pipe them through grep and awk. */
import CliTable from 'cli-table3';
import { printable } from './terminal.ts';

export interface TableOptions {
  /** Paints the head. */
  readonly paintHead?: (text: string) => string;
  /** Columns (from 0) that hold numbers. */
  readonly right?: readonly number[];
}

/** An empty cell prints as `-`, so that every row has every column. */
export function renderTable(
  head: readonly string[],
  rows: readonly (readonly string[])[],
  options: TableOptions = {},
): string {
  const paintHead = options.paintHead ?? ((text: string) => text);
  const table = new CliTable({
    chars: noLines,
    style: { 'padding-left': 0, 'padding-right': 2, head: [], border: [] },
    colAligns: head.map((_, i) => (options.right?.includes(i) ? 'right' : 'left')),
  });
  table.push(head.map(paintHead), ...rows.map((row) => row.map((cell) => printable(cell) || '-')));
  return table
    .toString()
    .split('\n')
    .map((line) => line.trimEnd())
    .join('\n');
}

/** `Name:   value` lines; values may have several lines. Absent values are left out. */
export function renderFacts(facts: readonly (readonly [name: string, value: string | undefined])[]): string {
  const present = facts.filter((fact): fact is [string, string] => fact[1] !== undefined && fact[1] !== '');
  const width = Math.max(0, ...present.map(([name]) => name.length)) + 3;
  return present
    .map(([name, value]) => {
      const [first = '', ...more] = value.split('\n').map(printable);
      return [`${name}:`.padEnd(width) + first, ...more.map((line) => ' '.repeat(width) + line)].join('\n');
    })
    .join('\n');
}

const noLines = Object.fromEntries(
  'top top-mid top-left top-right bottom bottom-mid bottom-left bottom-right left left-mid mid mid-mid right right-mid middle'
    .split(' ')
    .map((place) => [place, '']),
);
