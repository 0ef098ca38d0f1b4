/** The system UUID of SMBIOS, as different programs read it from the same machine. */

/** Lower case; undefined for the fillers that boards without a UUID of their own carry. */
export function normalizeSystemUuid(text: string | undefined): string | undefined {
  const uuid = text?.trim().toLowerCase();
  if (uuid === undefined || !/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(uuid)) return undefined;
  return /^[0-]+$|^[f-]+$/.test(uuid) ? undefined : uuid;
}

/**
 * SMBIOS 2.6 (DSP0134, 7.2.1) stores the first three groups little-endian; older boards do not, and boot ROM and kernel may
 * read them differently, so both orders count as the same machine (a guess about old firmware: not seen here). A UUID that one
 * side does not know says nothing.
 */
export function isSameSystem(a: string | undefined, b: string | undefined): boolean {
  const [one, other] = [normalizeSystemUuid(a), normalizeSystemUuid(b)];
  return one === undefined || other === undefined || one === other || swapGroups(one) === other;
}

function swapGroups(uuid: string): string {
  const groups = uuid.split('-');
  const swapped = groups.slice(0, 3).map((group) => group.match(/../g)!.reverse().join(''));
  return [...swapped, ...groups.slice(3)].join('-');
}
