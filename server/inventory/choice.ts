/** Who chooses for a host what the session leaves open: its groups, then the image. */
import type { ChoiceKind, ChoiceTable } from '../db/choice-table.ts';

/** A host in a session. */
export interface Choosers {
  readonly session: readonly string[] | undefined;
  readonly host: string;
  readonly groups: readonly string[];
  readonly image: string;
}

export interface Choice {
  readonly names: readonly string[];
  /** `the session`, `the group room-101`, `the image debian`. */
  readonly from: string;
}

/** The first that says something: session, groups, image. Undefined: nobody does; a list: groups of the host that say otherwise than each other. */
export function choiceFor(
  table: Pick<ChoiceTable, 'of'>,
  what: ChoiceKind,
  { session, groups, image }: Choosers,
): Choice | Choice[] | undefined {
  if (session !== undefined) return { names: session, from: 'the session' };
  const said = groups.flatMap((group): Choice[] => {
    const names = table.of(what, 'group', group);
    return names === undefined ? [] : [{ names, from: `the group ${group}` }];
  });
  if (new Set(said.map(({ names }) => names.join())).size > 1) return said;
  const names = table.of(what, 'image', image);
  return said[0] ?? (names === undefined ? undefined : { names, from: `the image ${image}` });
}
