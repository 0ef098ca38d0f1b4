/** The hosts that a command names, by themselves or by their groups. */
import { knownError } from '#protocol/errors.ts';
import { apiPath } from './daemon-link.ts';
import type { Invocation } from './invocation.ts';
import { usageError } from './usage-error.ts';

/** Each once. Throws USAGE when none is named, GROUP_UNKNOWN, GROUP_EMPTY; that a host is unknown shows when it is used. */
export async function chosenHosts(
  invocation: Invocation,
  names: readonly string[],
  groupNames: readonly string[],
): Promise<string[]> {
  if (names.length === 0 && groupNames.length === 0)
    throw usageError('Name hosts, or give --group', invocation.command);
  const groups = groupNames.length === 0 ? [] : await invocation.link.get('groups', apiPath`/groups`);
  const members = groupNames.flatMap((name) => {
    const group = groups.find((candidate) => candidate.name === name);
    if (group === undefined) throw knownError('GROUP_UNKNOWN', { group: name });
    if (group.hosts.length === 0) throw knownError('GROUP_EMPTY', { group: name });
    return group.hosts;
  });
  return [...new Set([...names, ...members])];
}
