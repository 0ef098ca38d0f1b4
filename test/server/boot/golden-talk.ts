/**
 * What real firmware and the server said to each other, captured in QEMU by lab/capture-boot.ts: the files of golden/. Each begins with
 * what it is, then has a line `> FROM TO NAME` (from the machine) or `< FROM TO NAME` (to it) and the datagram in hex.
 */
import { globSync, readFileSync } from 'node:fs';

export interface Datagram {
  readonly isMachines: boolean;
  /** `10.77.0.1:67` */
  readonly from: string;
  readonly to: string;
  /** DISCOVER, OFFER, …, RRQ, OACK, ERROR. */
  readonly name: string;
  readonly bytes: Buffer;
}

export interface Talk {
  readonly mac: string;
  readonly uuid: string;
  /** Our mode; undefined: somebody else answered, and only what the machine said is kept. */
  readonly mode?: 'full' | 'proxy';
  readonly datagrams: readonly Datagram[];
}

const folder = new URL('golden/', import.meta.url);

export const talkNames: readonly string[] = globSync('*.txt', { cwd: folder.pathname })
  .map((file) => file.slice(0, -4))
  .sort();

export function readTalk(name: string): Talk {
  const text = readFileSync(new URL(`${name}.txt`, folder), 'utf8');
  const [, mac, uuid] = /^# machine: (\S+) (\S+)$/m.exec(text) as unknown as [string, string, string];
  const mode = /^# answered by: fleetcast, dhcp = "(full|proxy)"$/m.exec(text)?.[1] as Talk['mode'];
  const datagrams = text
    .split(/^(?=[<>])/m)
    .slice(1)
    .map((part) => {
      const [head, ...hex] = part.trimEnd().split('\n') as [string, ...string[]];
      const [way, from, to, label] = head.split(' ') as [string, string, string, string];
      return { isMachines: way === '>', from, to, name: label, bytes: Buffer.from(hex.join(''), 'hex') };
    });
  return { mac, uuid, ...(mode === undefined ? {} : { mode }), datagrams };
}
