/** A list of hosts as CSV: `name,mac[,group]` a line. Reading it changes nothing. */
import { NAME_PATTERN } from '#protocol/admin/name.ts';
import { knownError } from '#protocol/errors.ts';
import { readMac } from './mac.ts';

export interface HostLine {
  /** Counted from 1, as editors do. */
  readonly line: number;
  readonly name: string;
  readonly mac: string;
  readonly group?: string;
}

const NAME = new RegExp(NAME_PATTERN);

/**
 * Blank lines and lines that begin with # are left out, a header line may come first, fields may stand in quotes, and `;` parts
 * as well as `,` (spreadsheets write it where the comma is the decimal sign). Throws CSV_INVALID with the line.
 */
export function parseHostList(csv: string): HostLine[] {
  const lines: HostLine[] = [];
  const names = new Map<string, number>();
  const macs = new Map<string, number>();
  let isFirst = true;
  for (const [index, text] of csv
    .replace(/^\uFEFF/, '')
    .split(/\r\n|\n|\r/)
    .entries()) {
    if (text.trim() === '' || text.trimStart().startsWith('#')) continue;
    const line = index + 1;
    const fields = text.split(/[,;]/).map((field) =>
      field
        .trim()
        .replace(/^"(.*)"$/, '$1')
        .trim(),
    );
    const isHeader = isFirst && fields[0]!.toLowerCase() === 'name' && readMac(fields[1] ?? '') === undefined;
    isFirst = false;
    if (isHeader) continue;
    const [name, macText, group = ''] = fields;
    if (macText === undefined || fields.length > 3)
      throw invalidLine(line, `it has ${fields.length} fields, not 2 or 3`);
    if (!NAME.test(name!)) throw invalidLine(line, `"${name}" is not a valid host name`);
    const mac = readMac(macText);
    if (mac === undefined) throw invalidLine(line, `"${macText}" is not a MAC address`);
    if (group !== '' && !NAME.test(group)) throw invalidLine(line, `"${group}" is not a valid group name`);
    const sameName = names.get(name!);
    if (sameName !== undefined) throw invalidLine(line, `the name ${name} is already on line ${sameName}`);
    const sameMac = macs.get(mac);
    if (sameMac !== undefined) throw invalidLine(line, `the MAC ${mac} is already on line ${sameMac}`);
    names.set(name!, line);
    macs.set(mac, line);
    lines.push({ line, name: name!, mac, ...(group === '' ? {} : { group }) });
  }
  return lines;
}

/** CSV_INVALID about a line, counted from 1. */
export function invalidLine(line: number, problem: string): Error {
  return knownError('CSV_INVALID', { line, path: 'the list', problem });
}
