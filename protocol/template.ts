/** {{placeholders}} in names and files that differ from host to host: {{hostname}}, {{serial}}, {{mac}}, {{n}}, {{n:3}}. Pure. */
import { knownError } from './errors.ts';

export interface TemplateValues {
  readonly hostname: string;
  /** Of the machine, from its firmware. */
  readonly serial: string;
  /** Lower case with colons. */
  readonly mac: string;
  /** The host's number in the session, from 1; `{{n:3}}` writes it with three digits. */
  readonly n: number;
}

const PLACEHOLDER = /\{\{\s*([^{}]*?)\s*\}\}/g;
const KNOWN = /^(hostname|serial|mac|n(:([1-9]))?)$/;

/** Throws TEMPLATE_INVALID for a placeholder that does not exist. `where` names the text for people. */
export function checkTemplate(text: string, where: string): void {
  for (const [whole, name] of text.matchAll(PLACEHOLDER)) {
    if (!KNOWN.test(name!)) throw knownError('TEMPLATE_INVALID', { where, placeholder: whole });
  }
}

/** `writeValue` is done to each value that is filled in. What is no placeholder stays as it is. */
export function fillTemplate(
  text: string,
  values: TemplateValues,
  writeValue: (value: string) => string = (value) => value,
): string {
  return text.replace(PLACEHOLDER, (whole, name: string) => {
    const [, field, , digits] = KNOWN.exec(name) ?? [];
    if (field === undefined) return whole;
    if (field.startsWith('n')) return String(values.n).padStart(Number(digits ?? 1), '0');
    return writeValue(values[field as 'hostname' | 'serial' | 'mac']);
  });
}

/** For text and attributes of XML 1.0. */
export function escapeXml(value: string): string {
  const names: Readonly<Record<string, string>> = {
    '<': '&lt;',
    '>': '&gt;',
    '&': '&amp;',
    '"': '&quot;',
    "'": '&apos;',
  };
  return value.replace(/[<>&"']/g, (character) => names[character]!);
}
