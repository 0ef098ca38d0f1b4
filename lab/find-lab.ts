/** Which lab a person means who names none: the one that `npm run lab` runs, or that was kept up. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { Lab } from './lab.ts';
import { LabUsageError } from './lab-program.ts';
import { hasLivingOwner, listRunFolders, ownerOf, type RunFolder } from './run-folder.ts';

/** `wanted`: a lab's four letters or its folder. Throws LabUsageError when there is none, or more than one. */
export function findLab(wanted: string | undefined): Lab {
  const ready = listRunFolders().filter(({ path }) => existsSync(join(path, 'topology.json')));
  if (wanted !== undefined) {
    const found = ready.find(({ run, path }) => run === wanted || path === wanted);
    if (found === undefined) throw new LabUsageError(`There is no lab ${wanted}; ${describe(ready)}`);
    return Lab.attach(found.path);
  }
  const open = ready.filter(isForPeople);
  if (open.length === 0) throw new LabUsageError('No lab is up: start one with npm run lab');
  if (open.length > 1) throw new LabUsageError(`More than one lab is up: ${describe(open)}; name one with --lab`);
  return Lab.attach(open[0]!.path);
}

/** Not one that a test or a bench has for itself. */
function isForPeople(folder: RunFolder): boolean {
  return !hasLivingOwner(folder) || (ownerOf(folder)?.what.includes('lab/play.ts') ?? false);
}

function describe(folders: readonly RunFolder[]): string {
  return folders.length === 0 ? 'no lab is up' : `there is ${folders.map(({ run }) => run).join(', ')}`;
}
