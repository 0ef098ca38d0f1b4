/** The file that tells a light host what machine it is: its disks are plain files. */
import { readFile } from 'node:fs/promises';
import { type Static, Type } from 'typebox';
import { Value } from 'typebox/value';
import { diskSchema } from '#protocol/disk.ts';
import { knownError } from '#protocol/errors.ts';

export const hardwareSchema = Type.Object({
  systemUuid: Type.String(),
  manufacturer: Type.String(),
  product: Type.String(),
  serial: Type.String(),
  /** Sizes come from the files. */
  disks: Type.Array(
    Type.Pick(diskSchema, ['path', 'model', 'serial', 'wwn', 'sectorBytes', 'transport', 'removable', 'readOnly']),
  ),
});
export type Hardware = Static<typeof hardwareSchema>;

/** Throws AGENT_FAILED when the file is not there or not valid. */
export async function readHardwareFile(path: string): Promise<Hardware> {
  const refuse = (problem: string, cause?: unknown) =>
    knownError('AGENT_FAILED', { reason: `the hardware file ${path} ${problem}` }, { cause });
  let value: unknown;
  try {
    value = JSON.parse(await readFile(path, 'utf8'));
  } catch (error) {
    throw refuse(`cannot be read: ${String(error)}`, error);
  }
  if (Value.Check(hardwareSchema, value)) return value;
  const [first] = Value.Errors(hardwareSchema, value);
  throw refuse(`is not valid: ${first ? `${first.instancePath} ${first.message}` : 'unknown'}`);
}
