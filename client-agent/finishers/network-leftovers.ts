/** What the network of the captured machine left in a Linux: leases, DHCP ids, names bound to its MAC addresses, its random seed. */
import { onLinux } from './finisher.ts';
import type { RootFolder } from './root-folder.ts';

/** Files by folder that only remember the machine; they are made anew. */
const leftovers: readonly { readonly folder: string; readonly names: RegExp }[] = [
  { folder: 'var/lib/dhcp', names: /^dhclient.*\.leases?$/ },
  { folder: 'var/lib/dhclient', names: /\.leases?$/ },
  { folder: 'var/lib/dhcpcd', names: /\.(lease6?|duid)$|^(duid|secret)$/ },
  { folder: 'etc/dhcpcd', names: /^duid$/ },
  { folder: 'etc', names: /^dhcpcd\.duid$/ },
  { folder: 'var/lib/NetworkManager', names: /\.lease$|^(secret_key|seen-bssids|timestamps)$/ },
  { folder: 'var/lib/wicked', names: /^(duid|lease)-?.*\.xml$/ },
  { folder: 'etc/udev/rules.d', names: /^(70|75)-persistent-(net|cd)\.rules$/ },
  { folder: 'var/lib/systemd', names: /^random-seed$/ },
  { folder: 'var/lib/systemd/network', names: /^product_uuid$/ },
  { folder: 'var/lib/urandom', names: /^random-seed$/ },
];

export const removeNetworkLeftovers = onLinux(async (root, { say }) => {
  let count = 0;
  for (const { folder, names } of leftovers) {
    for (const name of (await root.list(folder)).filter((one) => names.test(one))) {
      await root.remove(`${folder}/${name}`);
      say(`removed /${folder}/${name}`);
      count++;
    }
  }
  count += await edit(root, 'etc/netplan', /\.ya?ml$/, withoutNetplanMacs, say);
  count += await edit(root, 'etc/NetworkManager/system-connections', /./, withoutKeyfileMacs, say);
  count += await edit(root, 'etc/sysconfig/network-scripts', /^ifcfg-/, withoutIfcfgMacs, say);
  if (count === 0) say('nothing of it is there');
});

async function edit(
  root: RootFolder,
  folder: string,
  names: RegExp,
  change: (text: string) => string,
  say: (line: string) => void,
): Promise<number> {
  let count = 0;
  for (const name of (await root.list(folder)).filter((one) => names.test(one))) {
    const text = await root.read(`${folder}/${name}`);
    if (text === undefined) continue;
    const changed = change(text);
    if (changed === text) continue;
    await root.write(`${folder}/${name}`, changed);
    say(`took the MAC address out of /${folder}/${name}`);
    count++;
  }
  return count;
}

/**
 * A netplan file in which no card is bound to a MAC address: in `match` the line `macaddress` goes, and with it a `match` that has
 * nothing else, and the `set-name` that needs one. A `macaddress` outside of `match` sets an address and stays. Pure.
 */
export function withoutNetplanMacs(yaml: string): string {
  const lines = yaml.split('\n');
  const indentOf = (line: string) => line.length - line.trimStart().length;
  const isText = (line: string) => line.trim() !== '' && !line.trim().startsWith('#');
  const gone = new Set<number>();
  for (const [at, line] of lines.entries()) {
    // cloud-init writes both forms: `match:` with lines below, and `match: {macaddress: …}`.
    if (/^\s*match:\s*\{\s*macaddress:\s*[^,}]*\}\s*$/.test(line)) dropMatch(at, at);
    if (!/^\s*match:\s*(#.*)?$/.test(line)) continue;
    const rest = lines.findIndex((other, i) => i > at && isText(other) && indentOf(other) <= indentOf(line));
    const end = (rest === -1 ? lines.length : rest) - 1;
    const inside = range(at + 1, end).filter((i) => isText(lines[i]!));
    const macs = inside.filter((i) => /^\s*macaddress:/.test(lines[i]!));
    if (macs.length === 0) continue;
    if (macs.length === inside.length) dropMatch(at, end);
    else for (const i of macs) gone.add(i);
  }
  return lines.filter((_, i) => !gone.has(i)).join('\n');

  /** Takes out a whole `match`, and the `set-name` beside it. */
  function dropMatch(at: number, end: number): void {
    for (const i of range(at, end)) if (isText(lines[i]!)) gone.add(i);
    const indent = indentOf(lines[at]!);
    const isSetName = (i: number) => indentOf(lines[i]!) === indent && /^\s*set-name:/.test(lines[i]!);
    for (const step of [-1, 1]) {
      for (let i = step < 0 ? at - 1 : end + 1; lines[i] !== undefined; i += step) {
        if (isText(lines[i]!) && indentOf(lines[i]!) < indent) break;
        if (isSetName(i)) gone.add(i);
      }
    }
  }
}

/** A connection of NetworkManager that is not bound to a card's MAC address; one that sets an address (cloned) keeps it. Pure. */
export function withoutKeyfileMacs(text: string): string {
  return text.replace(/^mac-address=.*\n?/gm, '');
}

/** The same for network scripts of Red Hat. Pure. */
export function withoutIfcfgMacs(text: string): string {
  return text.replace(/^HWADDR=.*\n?/gm, '');
}

function range(first: number, last: number): number[] {
  return Array.from({ length: Math.max(0, last - first + 1) }, (_, i) => first + i);
}
