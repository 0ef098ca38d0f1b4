/**
 * `npm run lab:clean [-- --all | --lab RUN]`: removes what killed lab runs and tests left behind, and says what that was. A lab that was
 * kept for people stays, with the command that removes it; `--all` takes those too, `--lab` one of them. A lab whose program still runs
 * is never touched.
 */
import { parseArgs } from 'node:util';
import { LabUsageError, runLabProgram } from './lab-program.ts';
import { type FoundRun, findRuns, type Removed, removeRun, removeStrays } from './leftovers.ts';
import { requireRoot } from './require-root.ts';

await runLabProgram('npm run lab:clean [-- --all | --lab RUN]', async () => {
  const { values } = parseArgs({ options: { all: { type: 'boolean', default: false }, lab: { type: 'string' } } });
  requireRoot('Removing a lab');
  const runs = await findRuns();
  if (values.lab === undefined) await clean(runs, values.all);
  else tell(await removeRun(choose(runs, values.lab).folder));
  return 0;
});

async function clean(runs: readonly FoundRun[], isAll: boolean): Promise<void> {
  let removed = 0;
  for (const run of runs) {
    if (run.fate === 'leftover' || (run.fate === 'kept' && isAll)) {
      tell(await removeRun(run.folder));
      removed++;
    } else console.log(sayLeft(run));
  }
  const strays = await removeStrays(isAll);
  if (strays.removed !== undefined) tell(strays.removed);
  else if (removed === 0) console.log('nothing to remove');
  if (strays.inhabited.length > 0) {
    console.log(`programs run in ${strays.inhabited.join(', ')}: left alone. To end them: npm run lab:clean -- --all`);
  }
}

/** By its four letters or its folder. Throws LabUsageError. */
function choose(runs: readonly FoundRun[], wanted: string): FoundRun {
  const found = runs.find(({ folder }) => folder.run === wanted || folder.path === wanted);
  if (found === undefined) throw new LabUsageError(`There is no lab ${wanted}`);
  if (found.fate === 'in-use') throw new LabUsageError(`The lab ${wanted} is in use by ${found.madeBy}: end that`);
  return found;
}

function tell({ run, namespaces, processes }: Removed): void {
  console.log(`lab ${run}: removed ${namespaces} namespaces, ended ${processes} processes, deleted its files`);
}

function sayLeft({ folder: { run }, fate, madeBy = 'a program that is not known', programs }: FoundRun): string {
  if (fate === 'in-use') return `lab ${run}: in use by ${madeBy}, left alone`;
  return `lab ${run}: kept by ${madeBy}, ${programs} programs run in it, left alone. To remove it: npm run lab:clean -- --lab ${run}`;
}
