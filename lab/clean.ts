/** `npm run lab:clean`: removes what dead or kept lab runs left behind. Labs whose program still runs are left alone. */
import { KnownError } from '#protocol/errors.ts';
import { removeDeadRuns } from './leftovers.ts';
import { requireRoot } from './require-root.ts';
import { hasLivingOwner, listRunFolders } from './run-folder.ts';

try {
  requireRoot('Removing a lab');
  const removed = await removeDeadRuns();
  for (const { run, processes, namespaces } of removed) {
    console.log(`lab ${run}: removed ${namespaces} namespaces, ended ${processes} processes, deleted its files`);
  }
  for (const { run } of listRunFolders().filter(hasLivingOwner)) console.log(`lab ${run}: still in use, left alone`);
  if (removed.length === 0) console.log('nothing to remove');
} catch (error) {
  if (!(error instanceof KnownError)) throw error;
  console.error(`${error.code}: ${error.message}\n  Next: ${error.next}`);
  process.exitCode = error.code === 'NOT_ROOT' ? 12 : 1;
}
