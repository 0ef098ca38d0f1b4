/** Fresh ids for the partition table of one host, so that no two disks of a room are the same to a program that looks at them. */
import { randomBytes, randomUUID } from 'node:crypto';
import type { Layout } from '#protocol/layout.ts';

/** GUIDs of the GPT and of each partition, or the disk signature of an MBR (never 0, which means none). A layout without a table stays. */
export function withNewIds(layout: Layout): Layout {
  if (layout.label === 'none') return layout;
  if (layout.label === 'dos') return { ...layout, labelId: `0x${newSignature()}` };
  const partitions = layout.partitions.map((partition) => ({ ...partition, uuid: newGuid() }));
  return { ...layout, labelId: newGuid(), partitions };
}

/** As sfdisk(8) prints it, in capitals. */
function newGuid(): string {
  return randomUUID().toUpperCase();
}

function newSignature(): string {
  const value = randomBytes(4).readUInt32LE() || 1;
  return value.toString(16).padStart(8, '0');
}
