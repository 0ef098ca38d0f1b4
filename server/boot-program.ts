/** `boot build` and `boot check` of the server's program: the boot assets in the daemon's data folder. */
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { knownError } from '#protocol/errors.ts';
import { BootAssets, type Built } from './boot/boot-assets.ts';
import type { Config } from './config.ts';

/** Becomes the build; does not return. `args` are the build's own: `--mirror`, `--arch`, `--locked` and so on. */
export function becomeBuild(config: Config, args: readonly string[], isJson: boolean): never {
  const build = fileURLToPath(new URL('../pxe-assets/build.ts', import.meta.url));
  const out = bootDir(config);
  const argv = [process.execPath, build, '--out', out, ...args, ...(isJson ? ['--json'] : [])];
  process.execve?.(process.execPath, argv, process.env);
  throw new Error('this Node cannot replace its process (process.execve)');
}

/** Prints a line a chain. Throws BOOT_NOT_READY when none can be booted. */
export function checkBoot(config: Config, isJson: boolean): void {
  const dir = bootDir(config);
  const assets = BootAssets.open(dir);
  const missing = Object.entries(assets.missingOf());
  if (missing.every(([, files]) => files.length > 0)) throw knownError('BOOT_NOT_READY', { folder: dir });
  const chains = missing.map(([chain, files]) => ({ chain, ready: files.length === 0, missing: files }));
  const lines = chains.map(({ chain, ready, missing: files }) =>
    ready ? `ok       ${chain}` : `missing  ${chain}: ${files.join(', ')}`,
  );
  const { builds } = assets;
  const notes = Object.entries(builds).flatMap(([processor, built]) => tellBuild(processor, built));
  process.stdout.write(
    isJson ? `${JSON.stringify({ folder: dir, chains, builds })}\n` : `${[...lines, ...notes].join('\n')}\n`,
  );
}

function tellBuild(processor: string, { kernel, lockDifferences, firmware }: Built): string[] {
  const drivers = Object.keys(firmware.missing);
  return [
    `note     ${processor}: kernel ${kernel}, ${lockDifferences.length === 0 ? 'the packages of the lock' : `${lockDifferences.length} packages differ from the lock`}`,
    ...(drivers.length === 0
      ? []
      : [`note     ${processor}: without firmware files that these drivers may want: ${drivers.join(', ')}`]),
    ...(drivers.length === 0 || firmware.isIncluded
      ? []
      : ['         Next, if you have such cards: fleetcast boot build --non-free-firmware']),
  ];
}

function bootDir(config: Config): string {
  return join(config.daemon.dataDir, 'boot');
}
