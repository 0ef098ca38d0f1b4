/** A script for the workbench that uses the agent's own modules: bundled as the agent is. */
import { mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { BOOT_PACKAGES } from '#lab/boot-cache.ts';
import { bundleArguments, findEsbuild } from '#pxe-assets/agent-bundle.ts';
import { writeAgentProgram } from '#pxe-assets/agent-program.ts';
import { run } from '#system/run.ts';

const ROOT = join(import.meta.dirname, '../..');

/** `source` is JavaScript that imports `./client-agent/….js`. Lay the result at `usr/lib/fleetcast/NAME.js`: it finds native packages there. */
export async function bundleAgentScript(source: string): Promise<Buffer> {
  const folder = mkdtempSync(join(tmpdir(), 'fc-agent-script-'));
  try {
    await writeAgentProgram(folder);
    symlinkSync(join(ROOT, 'node_modules'), join(folder, 'node_modules'));
    writeFileSync(join(folder, 'script.js'), source);
    const out = join(folder, 'bundle');
    const esbuild = join(await findEsbuild(BOOT_PACKAGES), 'bin/esbuild');
    await run([esbuild, ...bundleArguments(['script.js'], out)], { cwd: folder });
    return readFileSync(join(out, 'script.js'));
  } finally {
    rmSync(folder, { recursive: true });
  }
}
