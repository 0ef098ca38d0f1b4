/** Partition tables with the oddities that real ones have, as scripts of sfdisk(8). */
import { run } from '#system/run.ts';
import { makeEmptyFile } from '../filesystems.ts';

/** Partitions out of order, one of odd size, attributes, a name that must be quoted, fewer entries than usual. For 100 MiB. */
export const gptTable: readonly string[] = [
  'label: gpt',
  'label-id: 6E8D6CB1-9B1D-4B2E-8D5D-0B1C2D3E4F50',
  'first-lba: 34',
  'table-length: 64',
  '',
  'a1 : start=40, size=2000, type=21686148-6449-6E6F-744E-656564454649, attrs="RequiredPartition LegacyBIOSBootable GUID:50,63"',
  'a7 : start=40000, size=20481, type=0FC63DAF-8483-4772-8E79-3D69D8477DE4, name="data \\x22x\\x22 \\x5c é中"',
  'a2 : start=4096, size=4096, type=0FC63DAF-8483-4772-8E79-3D69D8477DE4, name="root"',
];

/** Partitions at the ends of tracks, logical ones between primary ones. For 100 MiB. */
export const mbrTable: readonly string[] = [
  'label: dos',
  'label-id: 0x5eed1234',
  '',
  'a1 : start=63, size=20000, type=7, bootable',
  'a2 : start=24576, size=100000, type=f',
  'a4 : start=140000, size=1000, type=c',
  'a5 : start=24640, size=10000, type=83',
  'a6 : start=34642, size=10000, type=82',
  'a7 : start=44643, size=20000, type=83',
  'a8 : start=80000, size=44576, type=83',
];

/** Makes an empty disk with such a table. */
export async function makePartitionedDisk(path: string, bytes: number, table: readonly string[]): Promise<string> {
  makeEmptyFile(path, bytes);
  await run(['sfdisk', '--quiet', path], { input: `${table.join('\n')}\n` });
  return path;
}
