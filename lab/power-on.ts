/** `bin/node lab/power-on.ts LAB [HOST…]`: presses the power button of every machine, or of those named, of a lab that is up. */
import { KnownError } from '#protocol/errors.ts';
import { Lab } from './lab.ts';
import { requireRoot } from './require-root.ts';

const [path, ...names] = process.argv.slice(2);
if (path === undefined) {
  console.error('Which lab? bin/node lab/power-on.ts LAB [HOST…], with the LAB that lab/up.ts printed');
  process.exit(2);
}
try {
  requireRoot('A lab');
  const lab = Lab.attach(path);
  const hosts = names.length > 0 ? names.map((name) => lab.host(name)) : lab.topology.hosts;
  for (const host of hosts) lab.powerOn(host);
  console.log(`on: ${hosts.map(({ name }) => name).join(', ')}`);
} catch (error) {
  if (!(error instanceof KnownError)) throw error;
  console.error(`${error.code}: ${error.message}\n  Next: ${error.next}`);
  process.exitCode = error.code === 'NOT_ROOT' ? 12 : 1;
}
