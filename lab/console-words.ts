/** What a machine is doing, from what its console has said so far. Pure. */
import { UP_LINE } from './up-line.ts';

/** Cursor and colour codes that firmware sends. */
const CONTROL_CODES = /\u001b(?:\[[0-9;?=]*[A-Za-z]|c)/g;

/** Lines that people understand, each with what to say of it; `$1` is the first group. Everything else is left out. */
const known: readonly (readonly [RegExp, string])[] = [
  [/SeaBIOS \(version/, 'the firmware starts'],
  [/Start PXE over/, 'the firmware asks the network, by PXE'],
  [/Start HTTP Boot over/, 'the firmware asks the network, by HTTP Boot'],
  [/Open Source Network Boot Firmware/, 'iPXE asks the network'],
  [/Fetching Netboot Image|NBP file downloaded successfully/, 'the firmware starts shim and GRUB'],
  [UP_LINE, '$&'],
  [/fleetcast agent (\S+): asking/, 'the agent (version $1) has started'],
  [/this host is (\S+)/, 'the agent has been taken in as $1'],
  [/^(?:waiting for orders|session \d+: .*|done here: .*|failed: .*|the server does not answer.*)$/, '$&'],
  [/(?:fleetcast|firmware): (.+)$/, '$1'],
];

/** The last line of a console that people understand; undefined when there is none yet. */
export function lastWords(text: string): string | undefined {
  for (const line of linesOf(text).reverse()) {
    const words = wordsOf(line);
    if (words !== undefined) return words;
  }
  return undefined;
}

/** A console's text without control codes, in lines. */
export function linesOf(text: string): string[] {
  return text.replace(CONTROL_CODES, '').replaceAll('\r', '').split('\n');
}

function wordsOf(line: string): string | undefined {
  for (const [pattern, words] of known) {
    const found = pattern.exec(line);
    if (found !== null) return found[0].replace(pattern, words).trim();
  }
  return undefined;
}
