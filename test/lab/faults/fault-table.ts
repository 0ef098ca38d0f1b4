/** The table of faults in docs/reliability.md: rows that tests printed, as Markdown, between two marks. Pure. */
import { type FaultId, type FaultRow, matrix, ROW_MARK } from './matrix.ts';

const BEGIN = '<!-- fault table: test/lab/faults/write-table.ts writes it -->';
const END = '<!-- end of the fault table -->';

/** Rows in what the tests said, whatever a reporter put before them. */
export function readRows(output: string): FaultRow[] {
  return output
    .split('\n')
    .filter((line) => line.includes(ROW_MARK))
    .map((line) => JSON.parse(line.slice(line.indexOf(ROW_MARK) + ROW_MARK.length)) as FaultRow);
}

/**
 * Markdown; in the order of the matrix. A fault without a row keeps its line of `before`, an older table. Throws RangeError when a
 * fault has neither, or two rows.
 */
export function formatTable(rows: readonly FaultRow[], before = ''): string {
  const lines = (Object.keys(matrix) as FaultId[]).map((fault) => {
    const found = rows.filter((row) => row.fault === fault);
    const kept = before.split('\n').find((line) => line.startsWith(`| ${matrix[fault].title} |`));
    if (found.length === 0 && kept !== undefined) return kept;
    if (found.length !== 1) throw new RangeError(`${found.length} rows for ${fault}`);
    return formatRow(found[0]!);
  });
  const head = ['| fault | noticed | at most | of a cast of | the host ended with |', '|---|---|---|---|---|'];
  return [...head, ...lines].join('\n');
}

/** The page with another table. Throws RangeError when it has no place for one. */
export function replaceTable(page: string, table: string): string {
  const [begin, end] = [page.indexOf(BEGIN), page.indexOf(END)];
  if (begin < 0 || end < begin) throw new RangeError('the page has no marks of the fault table');
  return `${page.slice(0, begin + BEGIN.length)}\n${table}\n${page.slice(end)}`;
}

/** Title and bound of each row of the page's table. Throws as `replaceTable` does. */
export function titlesIn(page: string): { title: string; boundS: number }[] {
  const [begin, end] = [page.indexOf(BEGIN), page.indexOf(END)];
  if (begin < 0 || end < begin) throw new RangeError('the page has no marks of the fault table');
  const table = page.slice(begin + BEGIN.length, end);
  return [...table.matchAll(/^\| ([^|]+) \| [^|]+ \| (\d+) s \| [^|]+ \| [^|]+ \|$/gm)].map(([, title, bound]) => ({
    title: title!,
    boundS: Number(bound),
  }));
}

function formatRow({ fault, together, noticedS, cleanS, ended }: FaultRow): string {
  const also = together.length === 0 ? '' : ` (with: ${together.map((other) => matrix[other].title).join(', ')})`;
  const noticed = noticedS < 0.05 ? '0 s' : `${noticedS.toFixed(1)} s`;
  const { title, boundS } = matrix[fault];
  return `| ${title} | ${noticed}${also} | ${boundS} s | ${cleanS.toFixed(1)} s | ${ended} |`;
}
