/** Comma-separated values as RFC 4180 has them: CRLF, quotes where they are needed, a quote inside doubled. */

export type CsvCell = string | number | undefined;

/** With a line of names first. */
export function renderCsv(head: readonly string[], rows: readonly (readonly CsvCell[])[]): string {
  return [head, ...rows].map((row) => `${row.map(renderCell).join(',')}\r\n`).join('');
}

function renderCell(cell: CsvCell): string {
  const text = cell === undefined ? '' : String(cell);
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
