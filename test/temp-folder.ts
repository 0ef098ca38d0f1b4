/** A folder for the files of one test, gone when it has ended. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export function tempFolder(t: { after(remove: () => void): void }): string {
  const folder = mkdtempSync(join(tmpdir(), 'fleetcast-test-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}
