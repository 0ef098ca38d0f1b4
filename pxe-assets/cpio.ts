/** Writes a cpio archive in the format "newc", as the kernel unpacks it (Documentation/driver-api/early-userspace/buffer-format.rst). */

export type Entry =
  | { readonly path: string; readonly kind: 'folder' }
  | { readonly path: string; readonly kind: 'file'; readonly bytes: Buffer; readonly isProgram: boolean }
  | { readonly path: string; readonly kind: 'link'; readonly target: string };

/** The same entries always give the same bytes: sorted, owned by root, dated 1970. Folders that files need are added. */
export function makeCpio(entries: readonly Entry[]): Buffer {
  const all = new Map(entries.map((entry) => [entry.path, entry]));
  for (const { path } of entries) {
    for (let at = path.indexOf('/'); at !== -1; at = path.indexOf('/', at + 1)) {
      const folder = path.slice(0, at);
      if (!all.has(folder)) all.set(folder, { path: folder, kind: 'folder' });
    }
  }
  const sorted = [...all.values()].sort((a, b) => (a.path < b.path ? -1 : 1));
  const parts = sorted.flatMap((entry, i) => entryBytes(entry.path, modeOf(entry), contentOf(entry), i + 1));
  return Buffer.concat([...parts, ...entryBytes('TRAILER!!!', 0, Buffer.alloc(0), 0)]);
}

function modeOf(entry: Entry): number {
  if (entry.kind === 'folder') return 0o040755;
  if (entry.kind === 'link') return 0o120777;
  return entry.isProgram ? 0o100755 : 0o100644;
}

function contentOf(entry: Entry): Buffer {
  if (entry.kind === 'folder') return Buffer.alloc(0);
  return entry.kind === 'link' ? Buffer.from(entry.target) : entry.bytes;
}

function entryBytes(path: string, mode: number, content: Buffer, inode: number): Buffer[] {
  const name = Buffer.from(`${path}\0`);
  const links = mode >> 12 === 4 ? 2 : 1;
  // inode, mode, uid, gid, links, mtime, size, device major and minor, rdev major and minor, name length, checksum
  const fields = [inode, mode, 0, 0, links, 0, content.length, 0, 0, 0, 0, name.length, 0];
  const header = Buffer.from(`070701${fields.map((field) => field.toString(16).padStart(8, '0')).join('')}`);
  return [header, name, padding(header.length + name.length), content, padding(content.length)];
}

function padding(length: number): Buffer {
  return Buffer.alloc((4 - (length % 4)) % 4);
}
