/** Names of hosts, groups and the like: what they may be, and their order. */
import { NAME_PATTERN } from '#protocol/admin/name.ts';
import { knownError } from '#protocol/errors.ts';

/** Throws NAME_INVALID. */
export function checkName(name: string, what: 'host' | 'group' | 'image' | 'schedule' | 'finisher' | 'secret'): void {
  if (!new RegExp(NAME_PATTERN).test(name)) throw knownError('NAME_INVALID', { name, what });
}

const collator = new Intl.Collator('en', { numeric: true });

/** Orders by name as people count: pc-2 before pc-10. */
export function byName(a: { readonly name: string }, b: { readonly name: string }): number {
  return collator.compare(a.name, b.name);
}
