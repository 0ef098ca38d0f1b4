/** The fixed list of names that the TFTP server serves: nothing else on the disk can be named. */

export type TftpSource =
  | { readonly path: string }
  /** Content that lives in memory, such as a script. */
  | { readonly bytes: Buffer };

export interface TftpFiles {
  /** Undefined: there is no such file. `name` is in the form of `plainName`; `client` is the IPv4 address that asks. */
  find(name: string, client: string): TftpSource | undefined;
}

/** The same files for every client. */
export function fixedFiles(files: ReadonlyMap<string, TftpSource>): TftpFiles {
  const byName = new Map([...files].map(([name, source]) => [plainName(name), source]));
  return { find: (name) => byName.get(name) };
}

/** Firmware writes one name in many ways: `/ipxe.pxe`, `\ipxe.pxe`, `//grub/./grub.cfg` (shim doubles slashes; backslashes are a guess). */
export function plainName(name: string): string {
  const parts = name.replaceAll('\\', '/').split('/');
  return parts.filter((part) => part !== '' && part !== '.').join('/');
}
