/** Options that name several things: `--hosts A,B --hosts C` is A, B, C. */

/** For commander: adds the names of one more occurrence. */
export function collectNames(text: string, before: readonly string[] | undefined): string[] {
  const names = text
    .split(',')
    .map((name) => name.trim())
    .filter((name) => name !== '');
  return [...(before ?? []), ...names];
}
