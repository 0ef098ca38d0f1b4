/** The boot assets on the server's disk, as pxe-assets/build.ts left them: which there are, and which chains they make. */
import { existsSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { type Static, Type } from 'typebox';
import { Value } from 'typebox/value';

const builtSchema = Type.Object({
  kernel: Type.String(),
  lockDifferences: Type.Array(Type.String()),
  firmware: Type.Object({ isIncluded: Type.Boolean(), missing: Type.Record(Type.String(), Type.Array(Type.String())) }),
});
export type Built = Static<typeof builtSchema>;
const indexSchema = Type.Object({
  files: Type.Record(Type.String(), Type.Object({ bytes: Type.Integer(), sha256: Type.String() })),
  /** What was built for each kind of processor (pxe-assets/boot-index.ts). */
  builds: Type.Optional(Type.Record(Type.String(), builtSchema)),
});
export type BootIndex = Static<typeof indexSchema>;

/** Every kind of machine that can be booted, and the files that it needs. */
export const chains: Readonly<Record<string, readonly string[]>> = {
  'BIOS: iPXE': ['undionly.kpxe', 'vmlinuz', 'stage1.img', 'agent.squashfs'],
  'UEFI x64, Secure Boot on or off: shim, GRUB': [
    'shimx64.efi',
    'grubx64.efi',
    'vmlinuz',
    'stage1.img',
    'agent.squashfs',
  ],
  'UEFI x64 with iPXE': ['ipxe.efi', 'vmlinuz', 'stage1.img', 'agent.squashfs'],
  'UEFI ARM64: iPXE': ['ipxe-arm64.efi', 'vmlinuz-arm64', 'stage1-arm64.img', 'agent-arm64.squashfs'],
};

export class BootAssets {
  readonly dir: string;
  readonly #path: string;
  #known: BootIndex | undefined;
  /** Which file `#known` was read from; undefined: there was none. */
  #stamp: string | undefined;

  private constructor(dir: string) {
    this.dir = dir;
    this.#path = join(dir, 'boot.json');
  }

  /** A folder without a valid index counts as empty. What is built into it later counts at once. */
  static open(dir: string): BootAssets {
    return new BootAssets(dir);
  }

  get names(): readonly string[] {
    return Object.keys(this.#index?.files ?? {});
  }

  get isReady(): boolean {
    return this.#index !== undefined;
  }

  /** Read again only when the file is another one. */
  get #index(): BootIndex | undefined {
    const stat = statSync(this.#path, { bigint: true, throwIfNoEntry: false });
    const stamp = stat === undefined ? undefined : `${stat.ino} ${stat.size} ${stat.mtimeNs}`;
    if (stamp !== this.#stamp) {
      this.#stamp = stamp;
      this.#known = stamp === undefined ? undefined : readIndex(this.#path);
    }
    return this.#known;
  }

  /** By processor: amd64, arm64. */
  get builds(): Readonly<Record<string, Built>> {
    return this.#index?.builds ?? {};
  }

  /** SHA-256 in hex; undefined when there is no such file. */
  sha256Of(name: string): string | undefined {
    return this.#index?.files[name]?.sha256;
  }

  /** Which files of each chain are missing; an empty list: the chain is ready. */
  missingOf(): Record<string, string[]> {
    return Object.fromEntries(
      Object.entries(chains).map(([chain, files]) => [
        chain,
        files.filter((name) => this.sha256Of(name) === undefined || !existsSync(join(this.dir, name))),
      ]),
    );
  }
}

function readIndex(path: string): BootIndex | undefined {
  try {
    const index: unknown = JSON.parse(readFileSync(path, 'utf8'));
    return Value.Check(indexSchema, index) ? index : undefined;
  } catch {
    return undefined;
  }
}
