/** SSH host keys: those of the captured machine go, and the machine makes its own. */
import { run } from '#system/run.ts';
import { onLinux } from './finisher.ts';
import type { RootFolder } from './root-folder.ts';

const FOLDER = 'etc/ssh';
const KEY = /^ssh_host_[a-z0-9]+_key(\.pub)?$/;
const UNIT_FOLDERS = ['etc/systemd/system', 'usr/lib/systemd/system', 'lib/systemd/system'];

export const renewSshHostKeys = onLinux(async (root, { signal, say }) => {
  const keys = hostKeysAmong(await root.list(FOLDER));
  if (keys.length === 0) return say('there are none');
  for (const key of keys) await root.remove(`${FOLDER}/${key}`);
  say(`removed ${keys.join(', ')}`);
  const unit = await findMaker(root);
  if (unit !== undefined) return say(`${unit} makes new ones at the first boot`);
  if (!(await root.exists('usr/bin/ssh-keygen'))) {
    throw new Error('the system has neither a unit that makes new keys nor ssh-keygen: sshd will not start');
  }
  await run(['chroot', root.path, '/usr/bin/ssh-keygen', '-A'], { signal, limitMs: 120_000 });
  const made = hostKeysAmong(await root.list(FOLDER));
  if (made.length === 0) throw new Error('ssh-keygen -A made no key');
  say(`made ${made.filter((name) => !name.endsWith('.pub')).join(', ')}`);
});

/** Names of host keys, private and public. Pure. */
export function hostKeysAmong(names: readonly string[]): string[] {
  return names.filter((name) => KEY.test(name));
}

/** Whether a unit makes host keys when they are missing: Fedora's sshd-keygen@.service, Arch's sshdgenkeys.service, ssh-keygen -A anywhere. */
export function makesHostKeys(unitText: string): boolean {
  return /^(ExecStart|ExecStartPre)=.*(ssh-keygen\s+-A|sshd-keygen)/m.test(unitText);
}

/** The unit that makes new keys. Debian and Ubuntu have none: their keys are made by the package's installation. */
async function findMaker(root: RootFolder): Promise<string | undefined> {
  for (const folder of UNIT_FOLDERS) {
    for (const name of await root.list(folder)) {
      if (!/ssh.*\.service$/i.test(name)) continue;
      if (makesHostKeys((await root.read(`${folder}/${name}`)) ?? '')) return name;
    }
  }
  return undefined;
}
