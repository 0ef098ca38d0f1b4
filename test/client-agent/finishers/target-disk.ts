/** A disk with one ext4 partition that holds a system, as a deployment leaves it before its finishers run. */
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { TestContext } from 'node:test';
import type { FinishOptions } from '#agent/orders/finish.ts';
import type { Inventory } from '#protocol/agent-api.ts';
import type { Manifest, Volume } from '#protocol/manifest.ts';
import { run } from '#system/run.ts';
import { tempFolder } from '#test/temp-folder.ts';
import { makeEmptyFile } from '../filesystems.ts';
import { diskOf, writeInto } from '../test-disk.ts';

const MiB = 1024 * 1024;
const START = MiB;
const SIZE = 16 * MiB;

export interface TargetDisk {
  readonly path: string;
  readonly options: FinishOptions;
  /** Content of a file of the system as it is on the disk now; undefined: there is none. */
  read(name: string): Promise<string | undefined>;
  hasTable(): Promise<boolean>;
}

/** `files`: path → content, `-> TARGET` makes a symbolic link. `own`: bytes of own finishers by digest. */
export async function makeTargetDisk(
  t: TestContext,
  files: Readonly<Record<string, string>>,
  own: ReadonlyMap<string, Buffer> = new Map(),
): Promise<TargetDisk> {
  const folder = tempFolder(t);
  const tree = join(folder, 'tree');
  mkdirSync(tree);
  for (const [name, content] of Object.entries(files)) {
    mkdirSync(dirname(join(tree, name)), { recursive: true });
    if (content.startsWith('-> ')) symlinkSync(content.slice(3), join(tree, name));
    else
      writeFileSync(join(tree, name), content, {
        encoding: 'latin1',
        mode: content.startsWith('#!') || name.startsWith('bin/') ? 0o755 : 0o644,
      });
  }
  const image = join(folder, 'root.img');
  makeEmptyFile(image, SIZE);
  await run(['mke2fs', '-q', '-t', 'ext4', '-d', tree, image]);
  const path = join(folder, 'disk.img');
  makeEmptyFile(path, START + SIZE + MiB);
  await run(['sfdisk', '--quiet', path], { input: `label: dos\n\nd1 : start=${START / 512}, size=${SIZE / 512}\n` });
  writeInto(path, START, readFileSync(image));
  const volume = { kind: 'partition', partition: 1, filesystem: 'ext4', startBytes: START, sizeBytes: SIZE };
  const manifest = {
    volumes: [volume as unknown as Volume],
    head: { layout: { label: 'dos' } },
  } as unknown as Manifest;
  const machine = { serial: 'S01', mac: '52:54:00:77:00:01', firmware: 'bios' } as unknown as Inventory;
  const options: FinishOptions = {
    ...{ disk: diskOf(path), manifest, changes: [], signal: new AbortController().signal },
    link: { readFinisher: async (digest) => own.get(digest)! },
    readInventory: async () => machine,
  };
  return {
    path,
    options,
    read: async (name) => {
      const { stdout, stderr } = await run(['debugfs', '-R', `cat ${name}`, `${path}?offset=${START}`]);
      return /File not found/.test(stderr) ? undefined : stdout;
    },
    hasTable: async () => readFileSync(path).readUInt16BE(510) === 0x55aa,
  };
}
