/** The name of a Linux: /etc/hostname, and the lines of /etc/hosts that have the old one. */
import { onLinux } from './finisher.ts';

const LOOPBACK = /^127\.0\.1\.1$/;

export const setHostname = onLinux(async (root, { values, say }) => {
  const name = hostnameFrom(values.hostname);
  const old = (await root.read('etc/hostname'))
    ?.split('\n')
    .find((line) => line.trim() !== '' && !line.startsWith('#'));
  await root.write('etc/hostname', `${name}\n`);
  const hosts = await root.read('etc/hosts');
  if (hosts !== undefined) await root.write('etc/hosts', renameInHosts(hosts, old?.trim(), name));
  say(`${old?.trim() ?? 'no name'} is now ${name}`);
});

/** What hostname(7) allows, made of any text: letters, digits, hyphens and dots, at most 64 characters. Throws an Error when nothing is left. */
export function hostnameFrom(text: string): string {
  const labels = text
    .toLowerCase()
    .replace(/[:_]/g, '')
    .replace(/[^a-z0-9.-]+/g, '-')
    .split('.')
    .map((label) => label.slice(0, 63).replace(/^-+|-+$/g, ''))
    .filter((label) => label !== '');
  const name = labels
    .join('.')
    .slice(0, 64)
    .replace(/[-.]+$/, '');
  if (name === '') throw new Error(`"${text}" leaves no letter for a host name`);
  return name;
}

/**
 * /etc/hosts with the new name where the old one stood (with the old domain, if the new name has none), and on the line 127.0.1.1 that
 * Debian's installer makes. Comments and other lines stay as they are. Pure.
 */
export function renameInHosts(hosts: string, old: string | undefined, name: string): string {
  const oldShort = old?.split('.')[0];
  const short = name.split('.')[0]!;
  return hosts
    .split('\n')
    .map((line) => {
      const [, body = '', comment = ''] = /^([^#]*)(#.*)?$/.exec(line) ?? [];
      const [address = '', ...names] = body.trim().split(/\s+/);
      const isOwn = LOOPBACK.test(address) || (oldShort !== undefined && names.some((one) => isNameOf(one, oldShort)));
      if (address === '' || names.length === 0 || !isOwn) return line;
      const domain = LOOPBACK.test(address) ? (oldShort ?? names.at(-1)!.split('.')[0]!) : oldShort!;
      const renamed = names.map((one) => {
        if (!isNameOf(one, domain)) return one;
        return one === domain ? short : name.includes('.') ? name : `${name}${one.slice(domain.length)}`;
      });
      const text = `${address}\t${[...new Set(renamed)].join(' ')}`;
      return comment === '' ? text : `${text} ${comment}`;
    })
    .join('\n');
}

function isNameOf(name: string, short: string): boolean {
  return name === short || name.startsWith(`${short}.`);
}
