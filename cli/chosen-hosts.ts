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

/** Names of which each is a host's or else a group's, apart. A name that both have is the host's. */
export async function splitNames(
  { link }: Invocation,
  names: readonly string[],
): Promise<{ hosts: string[]; groups: string[] }> {
  const groupNames = new Set((await link.get('groups', apiPath`/groups`)).map((group) => group.name));
  if (!names.some((name) => groupNames.has(name))) return { hosts: [...names], groups: [] };
  const hostNames = new Set((await link.get('hosts', apiPath`/hosts`)).map((host) => host.name));
  const isGroup = (name: string) => groupNames.has(name) && !hostNames.has(name);
  return { hosts: names.filter((name) => !isGroup(name)), groups: names.filter(isGroup) };
}
