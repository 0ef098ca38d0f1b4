/** NVMe disks erase themselves: Format NVM with Secure Erase Settings 1 (NVM Express Base Specification, "Format NVM command"). */
import { type Static, Type } from 'typebox';
import { Value } from 'typebox/value';
import type { Disk } from '#protocol/disk.ts';
import { programFailed, run } from '#system/run.ts';
import { type Eraser, impossible } from './eraser.ts';

/** Disks answer when they have erased everything; large ones take minutes. */
const FORMAT_LIMIT_MS = 3 * 3600_000;
/** OACS bit 1: the controller takes Format NVM. */
const OACS_FORMAT = 1 << 1;
/** FNA bits 0 and 1: a format, or its secure erase, concerns every namespace of the disk. */
const FNA_ALL_NAMESPACES = 0b11;

/** The fields of Identify Controller that matter, as `nvme id-ctrl --output-format=json` names them. */
const controllerSchema = Type.Object({ oacs: Type.Integer(), fna: Type.Integer(), nn: Type.Integer() });
export type NvmeController = Static<typeof controllerSchema>;

/** Throws WIPE_IMPOSSIBLE, PROGRAM_MISSING, PROGRAM_FAILED. */
export async function nvmeEraser(disk: Disk): Promise<Eraser> {
  const argv = ['nvme', 'id-ctrl', '--output-format=json', controllerOf(disk.path)];
  const { stdout } = await run(argv);
  const controller: unknown = JSON.parse(stdout);
  if (!Value.Check(controllerSchema, controller)) throw programFailed(argv, 'its output has an unknown form', '');
  const why = whyNoFormat(controller);
  if (why !== undefined) throw impossible(disk, why);
  const erase = async () => {
    await run(formatArgv(disk.path), { limitMs: FORMAT_LIMIT_MS });
  };
  return { method: 'secure-erase', how: 'nvme format --ses=1', erase };
}

/** Pure. */
export function whyNoFormat({ oacs, fna, nn }: NvmeController): string | undefined {
  if ((oacs & OACS_FORMAT) === 0) return 'its controller does not take the Format NVM command';
  // What was not in the plan must not be lost.
  if ((fna & FNA_ALL_NAMESPACES) !== 0 && nn > 1) return 'a format would erase its other namespaces too';
  return undefined;
}

/** User data erase of the namespace (nvme-format(1)). */
export function formatArgv(path: string): string[] {
  return ['nvme', 'format', path, '--ses=1', '--force', `--timeout=${FORMAT_LIMIT_MS}`];
}

/** `/dev/nvme0` of `/dev/nvme0n1`. */
function controllerOf(path: string): string {
  return path.replace(/n\d+$/, '');
}
