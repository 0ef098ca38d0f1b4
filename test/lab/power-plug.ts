/** A power cut in the middle of the growing of an ext filesystem, for light hosts of this process. */
import { chmodSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/**
 * A resize2fs in front of the real one. Once armed, its next call leaves the filesystem torn and kills the agent that called it,
 * as a power cut would.
 */
export function makePlug() {
  const folder = mkdtempSync(join(tmpdir(), 'fleetcast-plug-'));
  const bin = join(folder, 'bin');
  const armed = join(folder, 'armed');
  const pulled = join(folder, 'pulled');
  mkdirSync(bin);
  const script = `#!/bin/sh
PATH=/usr/sbin:/sbin:/usr/bin:/bin
if mv ${armed} ${pulled} 2>/dev/null; then
  dd if=/dev/zero of="$1" bs=4096 count=64 conv=notrunc,fsync 2>/dev/null
  kill -9 $PPID
  exit 1
fi
exec resize2fs "$@"
`;
  writeFileSync(join(bin, 'resize2fs'), script);
  chmodSync(join(bin, 'resize2fs'), 0o755);
  const path = process.env.PATH;
  process.env.PATH = `${bin}:${path}`;
  return {
    arm: () => writeFileSync(armed, ''),
    wasPulled: () => existsSync(pulled),
    remove: () => {
      process.env.PATH = path;
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
