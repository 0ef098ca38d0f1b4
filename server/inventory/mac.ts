/** MAC addresses as people write them, and in the one form that we keep. */
import { knownError } from '#protocol/errors.ts';

const FORMS = [
  /^(?:[0-9a-f]{2}:){5}[0-9a-f]{2}$/,
  /^(?:[0-9a-f]{2}-){5}[0-9a-f]{2}$/,
  /^(?:[0-9a-f]{4}\.){2}[0-9a-f]{4}$/,
  /^[0-9a-f]{12}$/,
];

/** `52:54:00:77:00:01`, from colons, dashes, Cisco's dots (5254.0077.0001) or bare digits. Throws MAC_INVALID. */
export function normalizeMac(text: string): string {
  const mac = readMac(text);
  if (mac === undefined) throw knownError('MAC_INVALID', { mac: text });
  return mac;
}

/** As normalizeMac; undefined when it is none. A group address (lowest bit of the first byte) or zero names no network card. */
export function readMac(text: string): string | undefined {
  const mac = readSixBytes(text);
  const isCard = mac !== undefined && (Number.parseInt(mac.slice(0, 2), 16) & 1) === 0 && mac !== '00:00:00:00:00:00';
  return isCard ? mac : undefined;
}

/** Any six bytes in a form of a MAC, such as a SecureOn password; undefined when it is none. */
export function readSixBytes(text: string): string | undefined {
  const lower = text.trim().toLowerCase();
  if (!FORMS.some((form) => form.test(lower))) return undefined;
  return lower.replace(/[^0-9a-f]/g, '').replace(/..(?=.)/g, '$&:');
}
