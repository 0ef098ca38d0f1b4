import { knownError } from '#protocol/errors.ts';

/** Network namespaces need root. Throws NOT_ROOT; `what` begins the sentence, as in `The virtual lab`. */
export function requireRoot(what: string): void {
  if (process.getuid?.() !== 0) throw knownError('NOT_ROOT', { what });
}
